import type { Database } from "@gofermart/shared/db/client.ts"
import type { RecordOutcome, Upload } from "@gofermart/shared/ledger/record-orders.ts"
import { addPolls } from "@gofermart/shared/queue/poll-job.ts"
import type { Enqueuer } from "./naive-enqueue.ts"

/** In the place of the batching intake: what one would write first, one order at a time. */
export class Intake {
  readonly #database: Database
  readonly #enqueuer: Enqueuer
  readonly #leaseMs: number

  constructor(database: Database, enqueuer: Enqueuer, leaseMs: number) {
    this.#database = database
    this.#enqueuer = enqueuer
    this.#leaseMs = leaseMs
  }

  async record({ userId, number }: Upload): Promise<RecordOutcome> {
    const requeueAt = new Date(Date.now() + this.#leaseMs)
    const accrual = { userId, status: "PROCESSING", requeueAt } as const
    await this.#database.order.create({
      data: { userId, number, uploadedAt: new Date(), accrual: { create: accrual } },
    })
    await addPolls(await this.#enqueuer.queue, [number])
    return "accepted"
  }
}
