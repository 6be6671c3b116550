import { describe, expect, it } from "vitest"
import { faultOf } from "./batched-calls.ts"

describe("a batch whose statement failed with", () => {
  it.each([
    ["57014", "slow", "a statement timeout, or a cancel"],
    ["55P03", "item", "a lock timeout"],
    ["22003", "item", "a number out of range"],
    ["40P01", "item", "a deadlock, again and again"],
    ["XX001", "item", "corrupted data"],
    ["58030", "item", "a block that cannot be read"],
    ["53200", "item", "too little memory"],
    ["P0001", "item", "an exception raised"],
    ["53300", "shared", "no connection left"],
    ["53100", "shared", "a full disk"],
    ["25006", "shared", "a read-only standby"],
    ["57P01", "shared", "a connection that was ended"],
    ["08006", "shared", "a connection that failed"],
  ])("%s is at fault: %s, for %s", (code, fault) => {
    expect(faultOf(Object.assign(new Error("…"), { code }))).toBe(fault)
  })

  it("no answer in time from the pool is nobody's fault", () => {
    expect(faultOf(new Error("timeout exceeded when trying to connect"))).toBe("shared")
  })
})
