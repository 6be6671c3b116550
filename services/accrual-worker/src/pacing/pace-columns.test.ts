import { expect, it } from "vitest"
import { ASSIGNED_COLUMNS, paceOf, SELECTED_FIELDS, valuesOf } from "./pace-columns.ts"

/** No two values are the same: one in the place of another is noticed. */
const PACE = {
  limit: {
    perMinute: 1,
    isConfirmed: true,
    isClimbing: false,
    windowBeganAt: 2,
    calls: 3,
    windowsHeld: 4,
    failedProbes: 5,
  },
  answerMs: 6,
  downSince: 7,
  recoveredAt: null,
}
const COLUMNS = [
  "limit_per_minute",
  "is_confirmed",
  "is_climbing",
  "window_began_at",
  "calls",
  "windows_held",
  "failed_probes",
  "answer_ms",
  "down_since",
  "recovered_at",
]

it("each field is written to its column, an instant as a timestamp", () => {
  expect(valuesOf(PACE)).toEqual([1, true, false, 2, 3, 4, 5, 6, 7, null])
  const assigned = ASSIGNED_COLUMNS.split(", ")
  expect(assigned.map((text) => text.split(" = ")[0])).toEqual(COLUMNS)
  expect(assigned[0]).toBe("limit_per_minute = $1")
  expect(assigned[3]).toBe("window_began_at = to_timestamp($4::float8 / 1000)")
})

it("each field is read from its column, an instant as epoch milliseconds", () => {
  const selected = SELECTED_FIELDS.split(", ")
  expect(selected).toHaveLength(COLUMNS.length)
  expect(selected[0]).toBe(`limit_per_minute AS "perMinute"`)
  expect(selected[8]).toBe(`(extract(epoch FROM down_since) * 1000)::float8 AS "downSince"`)
})

it("the limit's fields become one value, whatever their order", () => {
  const { limit, ...others } = PACE
  expect(paceOf({ ...others, ...limit })).toEqual(PACE)
})
