import type { AccrualQueue } from "@gofermart/shared/queue/poll-job.ts"

/** In the place of the enqueuer: nothing but the queue, for `naive-recorder.ts`. */
export class Enqueuer {
  readonly queue: Promise<AccrualQueue>

  constructor(queue: Promise<AccrualQueue>) {
    this.queue = queue
  }

  async close(): Promise<void> {}
}
