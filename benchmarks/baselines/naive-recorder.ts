import type { Database } from "@gofermart/shared/db/client.ts"
import type { RecordOutcome, Upload } from "@gofermart/shared/ledger/record-orders.ts"
import { addPolls } from "@gofermart/shared/queue/poll-job.ts"
import type { Enqueuer } from "./naive-enqueue.ts"

/** In the place of the batching recorder: what one would write first, one order at a time. */
export class OrderRecorder {
  readonly #database: Database
  readonly #enqueuer: Enqueuer
  readonly #leaseMs: number

  constructor(database: Database, enqueuer: Enqueuer, leaseMs: number) {
    this.#database = database
    this.#enqueuer = enqueuer
    this.#leaseMs = leaseMs
  }

  async record({ userId, number }: Upload): Promise<RecordOutcome> {
    await this.#database.$transaction(async (transaction) => {
      const [order] = await transaction.$queryRaw<[{ id: bigint }]>`
        INSERT INTO orders (user_id, number, uploaded_at)
        VALUES (${userId}, ${number}, clock_timestamp()) RETURNING id`
      await transaction.$executeRaw`
        INSERT INTO accruals (order_id, user_id, status, requeue_at)
        VALUES (${order.id}, ${userId}, 'PROCESSING',
                clock_timestamp() + ${this.#leaseMs}::float8 * interval '1 millisecond')`
    })
    await addPolls(await this.#enqueuer.queue, [number])
    return "accepted"
  }
}
