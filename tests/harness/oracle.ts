import { verifyLedger } from "@gofermart/shared/ledger/verify.ts"
import { expect } from "vitest"
import { eventually } from "./eventually.ts"
import type { System } from "./system.ts"

const FINAL = ["PROCESSED", "INVALID", "UNREGISTERED"]

/**
 * What must hold after whatever happened: every acknowledged order is final, is there once, and
 * every balance is explained to the hundredth.
 *
 * `acknowledged`: the numbers that were answered with 202.
 */
export async function expectAllSettledOnce(
  system: System,
  acknowledged: string[],
  timeoutMs = 60_000,
): Promise<void> {
  const { client } = system.database
  await eventually(
    `${acknowledged.length} orders are final`,
    async () => {
      const final = await client.order.count({
        where: { number: { in: acknowledged }, accrual: { status: { in: [...FINAL] as never } } },
      })
      return final === acknowledged.length
    },
    timeoutMs,
  )
  await expectExplained(system)
}

/** Every balance is never negative and is what the rows that explain it add up to. */
export async function expectExplained(system: System): Promise<void> {
  const report = await verifyLedger(system.database.client)
  expect(report.discrepancies).toEqual([])
}
