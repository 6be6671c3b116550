import type { AccrualQueue } from "@gofermart/shared/queue/poll-job.ts"
import { afterEach, beforeEach, expect, it } from "vitest"
import { describeOnBackends } from "../harness/backends.ts"
import { eventually } from "../harness/eventually.ts"
import { newNumber } from "../harness/numbers.ts"
import { expectAllSettledOnce } from "../harness/invariants.ts"
import {
  json,
  order,
  type ScriptedScoring,
  startScriptedScoring,
} from "@gofermart/scoring-simulator/scripted.ts"
import { startSystem, type System } from "../harness/system.ts"
import {
  expectEarned,
  expectQueueEmpty,
  openQueue,
  statusOf,
} from "../harness/database-breakpoints.ts"
import { sql } from "@gofermart/shared/db/client.ts"
import { readInstant } from "../harness/instants.ts"

const LEASE_MS = 1_000
/** Longer than an order is polled in vain before its job fails. */
const DAY_MS = 86_400_000

interface Board {
  queues: { name: string; counts: Record<string, number>; jobs: BoardJob[] }[]
}

interface BoardJob {
  id: string
  failedReason: string
}

describeOnBackends("A job that failed under its order's id", (backend) => {
  let scoring: ScriptedScoring
  let system: System
  let queue: AccrualQueue

  beforeEach(async () => {
    scoring = await startScriptedScoring()
    const lease = `${LEASE_MS}ms`
    const env = {
      REQUEUE_INTERVAL: "200ms",
      REQUEUE_LEASE_MIN: lease,
      REQUEUE_LEASE_MAX: lease,
    }
    system = await startSystem({ backend, workers: 0, scoringUrl: scoring.url, env })
    queue = await openQueue(system)
  })
  afterEach(async () => {
    await queue.close()
    await scoring.close()
  })

  const failedOnBoard = async () => {
    const url = `${system.operatorsUrl}/api/queues?activeQueue=accrual&status=failed`
    const { queues } = (await (await fetch(url)).json()) as Board
    return queues[0]?.jobs ?? []
  }

  it("11: is on the board, left alone by requeue, and settled by the operator's retry", async () => {
    const number = newNumber()
    const id = `order-${number}`
    scoring.script(number, json("<maintenance>"))
    const anna = await system.register()
    await anna.upload(number)
    const job = await eventually("its job", () => queue.getJob(id))
    await job.updateData({ number, polls: 500, brokenSince: Date.now() - DAY_MS })
    await system.addWorker()
    await eventually("it is on the board", async () => (await failedOnBoard()).length > 0)
    expect(await failedOnBoard()).toMatchObject([
      { id, failedReason: expect.stringContaining("No answer could be used for 24 h.") },
    ])

    // Requeue goes on claiming the order, once a lease, and its job stays where it is.
    const { client } = system.database
    const leases = new Set<number>()
    await eventually("requeue has come by four times", async () => {
      const requeueAtUs = await readInstant(
        client,
        sql`(SELECT a.requeue_at FROM accruals a JOIN orders o ON o.id = a.order_id
              WHERE o.number = ${number})`,
      )
      leases.add((requeueAtUs ?? 0) / 1_000)
      return leases.size >= 5
    })
    const ends = [...leases].toSorted((a, b) => a - b)
    expect((ends.at(-1) ?? 0) - (ends[0] ?? 0)).toBeGreaterThanOrEqual(4 * LEASE_MS)
    expect(scoring.polls(number)).toHaveLength(1)
    expect(await failedOnBoard()).toHaveLength(1)
    expect(await statusOf(system, number)).toBe("PROCESSING")

    scoring.script(number, order("PROCESSED", "11"))
    const retry = `${system.operatorsUrl}/api/queues/accrual/${id}/retry`
    expect((await fetch(retry, { method: "PUT" })).status).toBe(204)
    await expectAllSettledOnce(system, [number])
    await expectQueueEmpty(queue)
    await expectEarned(system, anna.login, "11.00", 1)
    expect(await failedOnBoard()).toEqual([])
    await system.database.expectNoneInTransaction()
  })
})
