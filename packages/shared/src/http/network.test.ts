import { describe, expect, it } from "vitest"
import { atOnceFor, countedFor } from "./network.ts"

const networkOf = (address: string) => countedFor(address)[0].name
const siteOf = (address: string) => atOnceFor(address)[0].name

describe("the network of an address", () => {
  it("is the address itself in IPv4", () => {
    expect(networkOf("192.0.2.1")).toBe("192.0.2.1")
    expect(siteOf("192.0.2.1")).toBe("192.0.2.1")
  })

  it("is the /64 in IPv6, and its site is the /56", () => {
    for (const address of ["2001:db8:1:2::", "2001:db8:1:2:ffff:ffff:ffff:ffff"]) {
      expect(networkOf(address)).toBe("2001:db8:1:2::/64")
      expect(siteOf(address)).toBe("2001:db8:1::/56")
    }
    expect(networkOf("2001:db8:1:3::1")).toBe("2001:db8:1:3::/64")
    expect(siteOf("2001:db8:1:ff::1")).toBe("2001:db8:1::/56")
    expect(siteOf("2001:db8:1:100::1")).toBe("2001:db8:1:100::/56")
    expect(networkOf("fe80::1%eth0")).toBe("fe80::/64")
    expect(networkOf("::1")).toBe("::/64")
  })

  it("is counted with what it is in: an IPv6 /56 fourfold, and a /48 sixteenfold", () => {
    expect(countedFor("192.0.2.1")).toHaveLength(1)
    expect(countedFor("")).toHaveLength(1)
    expect(countedFor("2001:db8:1:2ff::1")).toEqual([
      { name: "2001:db8:1:2ff::/64", kind: "network", factor: 1 },
      { name: "2001:db8:1:200::/56", kind: "site", factor: 4 },
      { name: "2001:db8:1::/48", kind: "block", factor: 16 },
    ])
  })

  it("has as much at once as its site may, and two sites of its /48", () => {
    expect(atOnceFor("192.0.2.1")).toEqual([{ name: "192.0.2.1", kind: "site", factor: 1 }])
    expect(atOnceFor("")).toHaveLength(1)
    expect(atOnceFor("2001:db8:1:2ff::1")).toEqual([
      { name: "2001:db8:1:200::/56", kind: "site", factor: 1 },
      { name: "2001:db8:1::/48", kind: "block", factor: 2 },
    ])
  })

  it("is one and the same for clients that are gone", () => {
    expect([networkOf(""), siteOf("")]).toEqual(["unknown", "unknown"])
  })
})
