import type { AccrualQueue, PollJob } from "./poll-job.ts"

/** States a job can be in; BullMQ's names. */
const STATES = ["waiting", "prioritized", "active", "delayed", "failed"] as const

export interface Backlog {
  /** Jobs by state. */
  jobs: Record<(typeof STATES)[number], number>
  /** Polls whose time has come, and that no worker has begun. */
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
  const counts = await queue.getJobCounts(...STATES)
  const { waiting = 0, prioritized = 0, active = 0, delayed = 0, failed = 0 } = counts
  const jobs = { waiting, prioritized, active, delayed, failed }
  // Held back by an operator, nothing is due.
  if (await queue.isPaused()) return { jobs, due: 0, longestDueMs: 0 }
  const firsts = await Promise.all([
    queue.getWaiting(0, 0),
    queue.getPrioritized(0, 0),
    queue.getDelayed(0, 0),
  ])
  const dueTimes = (firsts.flat() as PollJob[]).map(dueAt)
  return {
    jobs,
    due: waiting + prioritized + (await countDelayedDue(queue, delayed, now)),
    longestDueMs: Math.max(0, now - Math.min(now, ...dueTimes)),
  }
}

/** Delayed jobs are in the order of their times: the first that is not due is found by halving. */
async function countDelayedDue(queue: AccrualQueue, delayed: number, now: number): Promise<number> {
  let [from, to] = [0, delayed]
  while (from < to) {
    const middle = Math.floor((from + to) / 2)
    const [job] = (await queue.getDelayed(middle, middle)) as PollJob[]
    if (job !== undefined && dueAt(job) <= now) from = middle + 1
    else to = middle
  }
  return from
}

/** When a job's poll is, or was, to begin, in epoch milliseconds. */
export function dueAt(job: PollJob): number {
  return job.data.dueAt ?? job.timestamp
}
