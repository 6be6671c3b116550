import { type AccrualQueue, addPolls } from "@gofermart/shared/queue/poll-job.ts"

const JOBS_PER_PAGE = 1_000

/** Adds a job for each of these orders, a page after another; tells before each how far it is. */
export async function addJobs(
  queue: AccrualQueue,
  numbers: string[],
  report: (added: number) => void = () => {},
): Promise<void> {
  for (let added = 0; added < numbers.length; added += JOBS_PER_PAGE) {
    report(added)
    await addPolls(queue, numbers.slice(added, added + JOBS_PER_PAGE))
  }
}
