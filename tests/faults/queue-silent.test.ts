import { openAccrualQueue, openAccrualWorker } from "@gofermart/shared/queue/backend.ts"
import { addPolls } from "@gofermart/shared/queue/poll-job.ts"
import { createLogger } from "@gofermart/shared/runtime/logger.ts"
import { describe, expect, it, onTestFinished } from "vitest"
import { startOwnDatabase } from "../harness/database.ts"
import { eventually } from "../harness/eventually.ts"
import { newNumber } from "../harness/numbers.ts"

const HOUR_MS = 3_600_000
/** A worker looks by itself every 10 s, which is far from an hour on a busy machine too. */
const NOTICED_WITHIN_MS = 60_000
const SILENT = createLogger("tests", "silent")

describe("the queue in PostgreSQL", () => {
  it("the connection that hears of new jobs is silent, and one job is an hour away: others are found", async () => {
    const database = await startOwnDatabase()
    const queue = await openAccrualQueue(database.url, SILENT)
    onTestFinished(() => queue.close())
    const polled = new Set<string>()
    const poll = async ({ data }: { data: { number: string } }) => void polled.add(data.number)
    await queue.add("poll", { number: newNumber(), polls: 0 }, { delay: HOUR_MS })
    const worker = await openAccrualWorker(database.url, SILENT, poll, {})
    onTestFinished(() => worker.close())
    // It has looked once, and waits for the job of an hour later, when it hears of one.
    const heard = newNumber()
    await addPolls(queue, [heard])
    await eventually("it hears of a job", async () => polled.has(heard))

    const [listener] = await database.client.$queryRaw<{ pid: number }[]>`
      SELECT pid FROM pg_stat_activity
       WHERE query ILIKE '%LISTEN%' AND pid <> pg_backend_pid()`
    const pid = listener?.pid ?? 0
    expect(pid).toBeGreaterThan(0)
    process.kill(pid, "SIGSTOP")
    onTestFinished(() => void process.kill(pid, "SIGCONT"))
    const unheard = newNumber()
    await eventually("the worker waits", async () => {
      const [row] = await database.client.$queryRaw<{ busy: boolean }[]>`
        SELECT bool_or(state <> 'idle') AS busy FROM pg_stat_activity
         WHERE datname = current_database() AND pid NOT IN (${pid}::int, pg_backend_pid())`
      return row?.busy !== true
    })
    await addPolls(queue, [unheard])
    await eventually("it is found", async () => polled.has(unheard), NOTICED_WITHIN_MS)
  })
})
