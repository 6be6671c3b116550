import { expect, it } from "vitest"
import { toClientStatus } from "./accrual-status.ts"

it.each([
  ["NEW", "NEW"],
  ["PROCESSING", "PROCESSING"],
  ["PROCESSED", "PROCESSED"],
  ["INVALID", "INVALID"],
] as const)("a client sees an order in %s as %s", (status, seen) => {
  expect(toClientStatus(status)).toBe(seen)
})

it("a client sees an order that the scoring system never knew as INVALID", () => {
  expect(toClientStatus("UNREGISTERED")).toBe("INVALID")
})
