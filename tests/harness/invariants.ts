import { SETTLED_STATUSES } from "@gofermart/shared/domain/accrual-status.ts"
import { checkUsers, verifyLedger } from "@gofermart/shared/ledger/verify.ts"
import { expect, inject } from "vitest"
import { eventually, GIVE_UP_MS } from "./eventually.ts"
import type { SharedSystem } from "./shared-system.ts"
import type { System } from "./system.ts"

declare module "vitest" {
  interface ProvidedContext {
    /**
     * What this machine does beside a file: much, other files that wait, others that expect what is
     * promised in seconds, or nothing. Only then can shorter times be expected.
     */
    load: "busy" | "waiting" | "quiet" | "alone"
  }
}

/** More than any test file makes. */
const OWN_USERS_MAX = 1_000

/** How long to wait for what is to happen within this time: beside busy files, no less than for anything. */
export function patient(timeoutMs: number): number {
  return inject("load") === "busy" ? Math.max(timeoutMs, GIVE_UP_MS) : timeoutMs
}

/**
 * What must hold after whatever happened: every acknowledged order is final, is there once, and
 * every balance is explained to the hundredth.
 *
 * `acknowledged`: the numbers that were answered with 202.
 */
export async function expectAllSettledOnce(
  system: System,
  acknowledged: string[],
  timeoutMs = GIVE_UP_MS,
): Promise<void> {
  const { client } = system.database
  await eventually(
    `${acknowledged.length} orders are final`,
    async () => {
      const final = await client.order.count({
        where: { number: { in: acknowledged }, accrual: { status: { in: SETTLED_STATUSES } } },
      })
      return final === acknowledged.length
    },
    patient(timeoutMs),
  )
  await expectExplained(system)
}

/** Every balance is never negative and is what the rows that explain it add up to. */
export async function expectExplained(system: System): Promise<void> {
  const report = await verifyLedger(system.database.client)
  expect(report.discrepancies).toEqual([])
}

/** The same of every user that the test file has made in a system that it shares. */
export async function expectOwnExplained({
  database,
  lastUserBefore,
}: SharedSystem): Promise<void> {
  const report = await checkUsers(database.client, lastUserBefore, OWN_USERS_MAX)
  expect(report.users).toBeGreaterThan(0)
  expect(report.discrepancies).toEqual([])
}
