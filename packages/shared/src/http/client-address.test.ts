import { describe, expect, it } from "vitest"
import { readAddress } from "./client-address.ts"
import { readProxies, trustIn } from "./trusted-proxies.ts"

describe("an address that a proxy forwards", () => {
  it.each([
    ["198.51.100.7", "198.51.100.7"],
    ["198.51.100.7:4000", "198.51.100.7"],
    ["[198.51.100.7]:4000", "198.51.100.7"],
    ["2001:db8::7", "2001:db8::7"],
    ["2001:DB8:0:0::0007", "2001:db8::7"],
    ["[2001:db8::7]", "2001:db8::7"],
    ["[2001:db8::7]:4000", "2001:db8::7"],
    ["[fe80::7%eth0]:4000", "fe80::7%eth0"],
    ["fe80::7%enp0s31f6d15nam", "fe80::7%enp0s31f6d15nam"],
    ["::ffff:198.51.100.7", "198.51.100.7"],
    ["::FFFF:c633:6407", "198.51.100.7"],
    ["[::ffff:198.51.100.7]:4000", "198.51.100.7"],
    ["64:ff9b::198.51.100.7", "198.51.100.7"],
    ["[64:ff9b::c633:6407]:4000", "198.51.100.7"],
    // In a prefix of a network's own nobody else knows where the IPv4 address is (RFC 8215).
    ["64:ff9b:1::c633:6407", "64:ff9b:1::c633:6407"],
  ])("is read: %s is %s", (text, address) => expect(readAddress(text)).toBe(address))

  it.each([
    "",
    "unknown",
    "_hidden",
    "proxy.example",
    "198.51.100",
    "198.51.100.256",
    "198.51.100.07",
    "0xc6336407",
    "3325256711",
    "198.51.100.7:",
    "198.51.100.7:http",
    "198.51.100.7:4000:4000",
    "[198.51.100.7",
    "[[2001:db8::7]]",
    "2001:db8::7]:4000",
    "2001:db8:::7",
    '"[2001:db8::7]"',
    "x".repeat(10_000),
    `fe80::1%${"a".repeat(54)}`,
    `[fe80::1%${"a".repeat(60)}]:4000`,
  ])("is none: %j", (text) => expect(readAddress(text)).toBeUndefined())
})

describe("a trusted proxy", () => {
  it("counts by its address, also where another one names it with a port", () => {
    const trust = trustIn(readProxies("10.0.0.0/8, 2001:db8::1"))
    for (const address of ["10.1.2.3", "10.1.2.3:4000", "2001:db8::1", "[2001:db8::1]:4000"]) {
      expect({ address, trusted: trust(address, 1) }).toEqual({ address, trusted: true })
    }
    for (const address of ["11.1.2.3", "2001:db8::2", "[2001:db8::2]:4000", "unknown", undefined]) {
      expect({ address, trusted: trust(address, 1) }).toEqual({ address, trusted: false })
    }
  })

  it("is none when none is named", () => {
    for (const given of [undefined, "", " , "]) {
      expect(trustIn(readProxies(given))("127.0.0.1", 0)).toBe(false)
    }
  })
})
