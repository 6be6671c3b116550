import { retry } from "@gofermart/shared/db/retry.ts"
import { queuePauseMs } from "@gofermart/shared/queue/backend.ts"
import { dueAt } from "@gofermart/shared/queue/backlog.ts"
import { movedUp, PASSED_OVER_AFTER_MS } from "@gofermart/shared/queue/fair-share.ts"
import { type AccrualQueue, findPoll, type PollJob } from "@gofermart/shared/queue/poll-job.ts"
import type { Logger } from "@gofermart/shared/runtime/logger.ts"
import { ErrorCode } from "bullmq"
import { Counter } from "prom-client"

const movedUpOrders = new Counter({
  name: "gofermart_orders_moved_up_total",
  help: "Orders that others had been let past for too long; each is polled one step sooner.",
})

/** Each job is a command to the queue, or two. */
const JOBS_AT_ONCE = 100

/**
 * Moves the jobs of these orders up, as far as others have been let past them for too long. Never rejects:
 * they are moved up when their next lease ends, and polled in any case.
 *
 * `now`: epoch milliseconds, by the clock that the workers put jobs off by.
 */
export async function moveUpPassedOver(
  { queue, logger }: { queue: AccrualQueue; logger: Logger },
  numbers: string[],
  now: number,
): Promise<void> {
  if (numbers.length === 0) return
  try {
    // Nobody is let past while nobody is polled.
    if ((await queuePauseMs(queue)) > 0 || (await queue.isPaused())) return
    for (let i = 0; i < numbers.length; i += JOBS_AT_ONCE) {
      const some = numbers.slice(i, i + JOBS_AT_ONCE)
      const jobs = await Promise.all(some.map((number) => findPoll(queue, number)))
      const there = jobs.filter((job) => job !== undefined)
      await Promise.all(there.filter((job) => isPassedOver(job, now)).map(moveUp))
    }
  } catch (error) {
    logger.warn({ err: error }, "orders that others were let past were not moved up")
  }
}

/** A failed job waits for an operator, and one that was begun lately is under way. */
function isPassedOver(job: PollJob, now: number): boolean {
  if (job.finishedOn !== undefined || movedUp(job.priority) === job.priority) return false
  return now - Math.max(dueAt(job), job.processedOn ?? 0) > PASSED_OVER_AFTER_MS
}

async function moveUp(job: PollJob): Promise<void> {
  try {
    await retry(() => job.changePriority({ priority: movedUp(job.priority) }))
    movedUpOrders.inc()
  } catch (error) {
    // It has just been polled for the last time.
    if ((error as { code?: unknown }).code !== ErrorCode.JobNotExist) throw error
  }
}
