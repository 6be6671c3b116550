import { expect } from "vitest"
import { eventually } from "../harness/eventually.ts"
import { patient } from "../harness/invariants.ts"
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
