import {
  type IQueueBackend,
  isNotConnectionError,
  type Job,
  type JobProgress,
  Worker,
} from "bullmq"
import type { PollPayload } from "./poll-job.ts"

/**
 * That a worker waits to hear of a job until it looks itself. On PostgreSQL BullMQ would trust the
 * connection it listens on for an hour, however silent it is.
 */
const BLOCK_MAX_S = 10

/**
 * A BullMQ worker that waits after a refusal. BullMQ's own waits only for a backend that it cannot
 * reach: one that answers and refuses, such as a Redis with too few replicas or a PostgreSQL that only
 * reads, it asked thousands of times a second. And one that looks for jobs at least every `BLOCK_MAX_S`.
 */
export class PollWorker<Backend extends IQueueBackend, Connection> extends Worker<
  PollPayload,
  void,
  string,
  Backend,
  JobProgress,
  Connection
> {
  protected override async moveToActive(
    token: string,
    name?: string,
  ): Promise<Job<PollPayload, void>> {
    try {
      return await super.moveToActive(token, name)
    } catch (error) {
      const isRefused = isNotConnectionError(error as Error)
      if (isRefused && this.closing === undefined) await this.delay(this.opts.runRetryDelay)
      throw error
    }
  }

  protected override getBlockTimeout(blockUntil: number): number {
    return Math.min(super.getBlockTimeout(blockUntil), BLOCK_MAX_S)
  }
}
