import { PRIORITIES } from "./fair-share.ts"
import { type AccrualQueue, type PollJob, readPollPayload } from "./poll-job.ts"

/** States a job can be in; BullMQ's names. */
const STATES = ["waiting", "prioritized", "active", "delayed", "failed"] as const

export interface Backlog {
  /** Jobs by state. */
  jobs: Record<(typeof STATES)[number], number>
  /** By an operator: no worker begins anything. */
  isPaused: boolean
  /** Polls whose time has come, and that no worker has begun although it may. */
  due: number
  /** For how long the longest of them has been due, in milliseconds; 0 without any. */
  longestDueMs: number
}

/**
 * Asks the queue what waits for a worker. A job that was put off stays with the delayed ones, past
 * its time, until a worker comes for it: Redis's list of waiting jobs alone would say nothing of it.
 *
 * `now`: epoch milliseconds, by the clock that the workers put jobs off by.
 */
export async function measureBacklog(queue: AccrualQueue, now: number): Promise<Backlog> {
  const [counts, delayedDue, isPaused, activeMax] = await Promise.all([
    queue.getJobCounts(...STATES),
    queue.getDelayedCount(now),
    queue.isPaused(),
    queue.getGlobalConcurrency(),
  ])
  const { waiting = 0, prioritized = 0, active = 0, delayed = 0, failed = 0 } = counts
  const jobs = { waiting, prioritized, active, delayed, failed }
  // Held back by an operator, nothing is due.
  const isHeldBack = isPaused || (activeMax !== null && active >= activeMax)
  const due = isHeldBack ? 0 : waiting + prioritized + delayedDue
  return { jobs, isPaused, due, longestDueMs: due === 0 ? 0 : await measureLongest(queue, now) }
}

/** Only the first job of each priority is looked at: it has waited there for longest. */
async function measureLongest(queue: AccrualQueue, now: number): Promise<number> {
  const counts = await queue.getCountsPerPriority(PRIORITIES)
  const firsts = [queue.getWaiting(0, 0), queue.getDelayed(0, 0)]
  let place = 0
  for (const priority of PRIORITIES) {
    const count = counts[priority] ?? 0
    if (count > 0) firsts.push(queue.getPrioritized(place, place))
    place += count
  }
  const dueTimes = ((await Promise.all(firsts)).flat() as PollJob[]).map(dueAt)
  return now - Math.min(now, ...dueTimes)
}

/**
 * When a job's poll was to begin, in epoch milliseconds, as far as its worker put it off. The board
 * lets an operator add a job with any data.
 */
export function dueAt(job: PollJob): number {
  return readPollPayload(job.data)?.dueAt ?? job.timestamp
}
