import { describe, expect, it } from "vitest"
import { networkOf } from "./network.ts"

describe("the network of an address", () => {
  it("is the address itself in IPv4", () => {
    expect(networkOf("192.0.2.1")).toBe("192.0.2.1")
  })

  it("is the IPv4 address where that is written as IPv6", () => {
    for (const mapped of ["::ffff:192.0.2.1", "::FFFF:c000:201"]) {
      expect(networkOf(mapped)).toBe("192.0.2.1")
    }
  })

  it("is the /64 in IPv6, however the address is written", () => {
    for (const address of [
      "2001:db8:1:2::",
      "2001:db8:1:2:3:4:5:6",
      "2001:0DB8:0001:0002:ffff:ffff:ffff:ffff",
    ]) {
      expect(networkOf(address)).toBe("2001:db8:1:2::/64")
    }
    expect(networkOf("2001:db8:1:3::1")).toBe("2001:db8:1:3::/64")
    expect(networkOf("fe80::1%eth0")).toBe("fe80::/64")
    expect(networkOf("::1")).toBe("::/64")
  })

  it.each(["", "unknown", "_hidden", "192.0.2.1:80", "[::1]:80", "x".repeat(10_000)])(
    "is one and the same for what is no address: %j",
    (text) => expect(networkOf(text)).toBe("unknown"),
  )
})
