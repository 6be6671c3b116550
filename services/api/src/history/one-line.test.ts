import type { Decimal } from "@gofermart/shared/domain/points.ts"
import type { Line } from "@gofermart/shared/ledger/history.ts"
import { describe, expect, it } from "vitest"
import { writeEvent } from "../events/account-event.ts"
import { showTransaction, type Transaction, TransactionSchema } from "./transaction.ts"

const UPLOADED_AT_US = 1_790_000_000_000_000n
const AT_US = 1_790_000_001_123_456n
const AT = "2026-09-21T14:13:21.123Z"

/** A line of each kind, and of an order each status that an order can be settled as. */
const LINES: Record<Line["kind"], Line[]> = {
  accrual: [
    { ...lineOf("accrual", 1n), status: "PROCESSED", value: decimal("729.98") },
    { ...lineOf("accrual", 2n), status: "INVALID", value: null },
    { ...lineOf("accrual", 3n), status: "UNREGISTERED", value: null },
  ],
  withdrawal: [{ ...lineOf("withdrawal", 4n), value: decimal("100.01") }],
}

/** What the event of a line does not tell. */
const NOT_IN_EVENT: Record<Line["kind"], (keyof Transaction)[]> = {
  accrual: ["processed_at"],
  withdrawal: [],
}

const TYPES: Record<string, Transaction["type"]> = { order: "accrual", withdrawal: "withdrawal" }

interface Event {
  id: string
  event: string
  data: Record<string, unknown> & { balance: number }
}

/**
 * Where the event of a line tells each property of the line in the list; undefined where it does not.
 * Add a property to the list, and say here where the event has it.
 */
const IN_EVENT: {
  [Property in keyof Transaction]-?: (event: Event) => Transaction[Property] | undefined
} = {
  version: ({ id }) => Number(id),
  type: ({ event }) => TYPES[event],
  order: ({ data: { order, withdrawal } }) => field(order, "number") ?? field(withdrawal, "order"),
  amount({ event, data: { order, withdrawal } }) {
    if (event === "order") return field(order, "accrual") ?? 0
    return -(field<number>(withdrawal, "sum") ?? 0)
  },
  balance: ({ data }) => data.balance,
  processed_at: ({ data: { withdrawal } }) => field(withdrawal, "processed_at"),
}

describe.each(Object.values(LINES).flat())("a line of kind $kind, status $status", (line) => {
  const shown = showTransaction(line)

  it("has every property that the API's description and the CSV have, and no other", () => {
    expect(Object.keys(shown)).toEqual(Object.keys(TransactionSchema.properties))
    expect(shown).toMatchObject({ type: line.kind, balance: 5.5, processed_at: AT })
  })

  it("tells the same as an event", () => {
    const event = read(writeEvent(line))
    const told = Object.entries(IN_EVENT).map(([property, find]) => [property, find(event)])
    const isTold = told.filter(([, value]) => value !== undefined)
    expect(shown).toMatchObject(Object.fromEntries(isTold))
    const missing = told.filter(([, value]) => value === undefined).map(([property]) => property)
    expect(missing).toEqual(NOT_IN_EVENT[line.kind])
  })
})

function lineOf<Kind extends Line["kind"]>(kind: Kind, version: bigint) {
  const any = { version, number: "79927398713", balanceAfter: decimal("5.50"), atUs: AT_US }
  const own = {
    accrual: { kind: "accrual", uploadedAtUs: UPLOADED_AT_US },
    withdrawal: { kind: "withdrawal", uploadedAtUs: null, status: null },
  } as const satisfies Record<Line["kind"], object>
  return { ...any, ...own[kind] }
}

function read(text: string): Event {
  const [id = "", event = "", data = ""] = text
    .trimEnd()
    .split("\n")
    .map((each) => each.slice(each.indexOf(": ") + 2))
  return { id, event, data: JSON.parse(data) }
}

function field<Value>(of: unknown, name: string): Value | undefined {
  return (of as Record<string, Value> | undefined)?.[name]
}

function decimal(text: string): Decimal {
  return { toFixed: () => text }
}
