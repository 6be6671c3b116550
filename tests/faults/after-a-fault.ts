import { expect } from "vitest"
import { eventually } from "../harness/eventually.ts"
import { patient } from "../harness/invariants.ts"
import { newNumber } from "../harness/numbers.ts"
import type { System } from "../harness/system.ts"
import { compare } from "./compare.ts"
import type { Traffic } from "./traffic.ts"

/** What may be answered while parts are away, and otherwise. 402: there are no points yet. */
const EXPECTED = ["upload 202", "upload 200", "withdrawal 200", "withdrawal 402"]
const WHILE_AWAY = ["upload 503", "upload no answer", "withdrawal 503", "withdrawal no answer"]

/**
 * What must hold when a fault is over: nothing that was acknowledged is lost, nothing happened twice,
 * every order is final, every balance is explained, and nobody was told anything else than to come
 * back.
 *
 * `settledWithinMs`: the longest delay that the test has configured (backoff, pause, requeue) + 30 s.
 */
export async function expectSound(
  system: System,
  traffic: Traffic,
  settledWithinMs: number,
): Promise<void> {
  const { client } = system.database
  const unexpected = [...traffic.answers.keys()].filter(
    (answer) => ![...EXPECTED, ...WHILE_AWAY].includes(answer),
  )
  expect(unexpected).toEqual([])
  expect(traffic.uploads.size).toBeGreaterThan(0)
  await eventually(
    `${traffic.uploads.size} orders are final`,
    async () => (await compare(client, traffic)).waiting.length === 0,
    patient(settledWithinMs),
  )
  const comparison = await compare(client, traffic)
  expect(comparison).toEqual({ lost: [], twice: [], waiting: [], unexplained: [] })
  await system.database.expectNoneInTransaction()
}

/**
 * Orders uploaded from now on are settled, the first within the time that is promised. A customer of their
 * own: those of others, who have hundreds that wait, come after what waits.
 */
export async function expectSettling(system: System, withinMs: number): Promise<void> {
  const { client } = system.database
  const newcomer = await system.register()
  const from = Date.now()
  await eventually(
    "orders are settled",
    async () => {
      await newcomer.upload(newNumber())
      const [settled] = await client.$queryRaw<{ any: boolean }[]>`
        SELECT EXISTS (
          SELECT FROM orders o JOIN accruals a ON a.order_id = o.id
           WHERE a.status = 'PROCESSED' AND extract(epoch FROM o.uploaded_at) * 1000 > ${from}::float8
        ) AS any`
      return settled?.any
    },
    withinMs,
  )
}
