import { describe, expect, it } from "vitest"
import {
  type AccrualStatus,
  isSettled,
  POLLED_STATUSES,
  SETTLED_STATUSES,
  STATUS_RULES,
  statusesWhere,
  toClientStatus,
} from "./accrual-status.ts"

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

describe("of the statuses", () => {
  it.each<[string, AccrualStatus[], AccrualStatus[]]>([
    ["all but NEW are listed", statusesWhere((rules) => rules.isListed), allBut("NEW")],
    ["PROCESSING is polled", POLLED_STATUSES, ["PROCESSING"]],
    [
      "NEW and UNREGISTERED are opened by an upload",
      statusesWhere((rules) => rules.isReopenable),
      ["NEW", "UNREGISTERED"],
    ],
    ["all but NEW and PROCESSING are settled", SETTLED_STATUSES, allBut("NEW", "PROCESSING")],
    [
      "PROCESSED and INVALID are final",
      statusesWhere((rules) => rules.isFinal),
      ["PROCESSED", "INVALID"],
    ],
    ["PROCESSED has a value", statusesWhere((rules) => rules.hasValue), ["PROCESSED"]],
  ])("%s", (_name, statuses, expected) => {
    expect(statuses).toEqual(expected)
  })

  it.each(allBut())("%s is settled if one answer of the scoring system leads to it", (status) => {
    const { settledBy } = STATUS_RULES[status]
    expect(isSettled(status)).toBe(settledBy !== null)
    const others = allBut(status).map((other) => STATUS_RULES[other].settledBy)
    if (settledBy !== null) expect(others).not.toContain(settledBy)
  })

  it.each(allBut())(
    "%s is one thing at a time: polled, opened by an upload, or final",
    (status) => {
      const { isPolled, isReopenable, isFinal } = STATUS_RULES[status]
      expect([isPolled, isReopenable, isFinal].filter(Boolean)).toHaveLength(1)
    },
  )
})

function allBut(...left: AccrualStatus[]): AccrualStatus[] {
  const statuses = Object.keys(STATUS_RULES) as AccrualStatus[]
  return statuses.filter((status) => !left.includes(status))
}
