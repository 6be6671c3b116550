import { expect, it } from "vitest"
import { STATUS_RULES } from "../domain/accrual-status.ts"
import { AccrualStatus } from "./generated/enums.ts"
import { POLLED, SETTLED } from "./statuses.ts"

it("the statuses of prisma/schema.prisma, when `prisma generate` last ran, are those of the domain", () => {
  expect(Object.keys(STATUS_RULES)).toEqual(Object.keys(AccrualStatus))
})

it("statements name statuses in their text, with no values", () => {
  expect([POLLED.sql, POLLED.values]).toEqual(["'PROCESSING'", []])
  expect([SETTLED.sql, SETTLED.values]).toEqual(["'PROCESSED', 'INVALID', 'UNREGISTERED'", []])
})
