import { batchedWrites } from "@gofermart/shared/db/batched-calls.ts"
import type { Database } from "@gofermart/shared/db/client.ts"
import { isReferenceMissing } from "@gofermart/shared/db/errors.ts"
import {
  type RecordOutcome,
  recordOrders,
  type Upload,
} from "@gofermart/shared/ledger/record-orders.ts"
import { priorityOf } from "@gofermart/shared/queue/fair-share.ts"
import type { PollOrigin } from "@gofermart/shared/queue/poll-job.ts"
import type { Batcher } from "@gofermart/shared/runtime/batcher.ts"
import { inSpan } from "@gofermart/shared/runtime/tracing.ts"
import { Counter } from "prom-client"
import type { Enqueuer } from "./enqueue.ts"
import type { UnfinishedOrders } from "./unfinished.ts"

const recorded = new Counter({
  name: "gofermart_orders_uploaded_total",
  help: "Uploads that were recorded, by what came of them.",
  labelNames: ["outcome"],
})

const UPLOADS_PER_BATCH_MAX = 256
const BATCHES_IN_FLIGHT_MAX = 2
const UPLOADS_WAITING_MAX = 10_000

/** An upload, and the request that it came with. */
export type RequestedUpload = Upload & PollOrigin

/** Records uploads in batches and hands what was accepted to the workers. */
export class OrderRecorder {
  readonly #batcher: Batcher<RequestedUpload, RecordOutcome>

  /** `leaseMs`: how long requeue trusts that an accepted order's job is in the queue. */
  constructor(
    database: Database,
    enqueuer: Enqueuer,
    unfinished: UnfinishedOrders,
    leaseMs: number,
  ) {
    const record = async (uploads: RequestedUpload[]) => {
      const outcomes = await recordOrders(database, uploads, leaseMs)
      const accepted = uploads.filter((_upload, i) => outcomes[i] === "accepted")
      recorded.inc({ outcome: "accepted" }, accepted.length)
      for (const outcome of outcomes) if (outcome !== "accepted") recorded.inc({ outcome })
      enqueuer.enqueue(
        accepted.map((upload) => ({
          ...upload,
          priority: priorityOf(unfinished.add(upload.userId)),
        })),
      )
      return outcomes
    }
    this.#batcher = batchedWrites(record, {
      name: "record_orders",
      itemsPerBatchMax: UPLOADS_PER_BATCH_MAX,
      batchesInFlightMax: BATCHES_IN_FLIGHT_MAX,
      itemsWaitingMax: UPLOADS_WAITING_MAX,
      ownerOf: ({ userId }) => userId,
    })
  }

  /** Resolves once the outcome is committed. Rejects with `BatcherFullError` under overload. */
  record(upload: RequestedUpload): Promise<RecordOutcome> {
    const start = {
      name: "record order",
      kind: "INTERNAL",
      parent: upload.trace,
      attributes: { "gofermart.order": upload.number },
    } as const
    return inSpan(
      start,
      () => this.#record(upload),
      (outcome) => ({ "gofermart.outcome": outcome }),
    )
  }

  async #record(upload: RequestedUpload): Promise<RecordOutcome> {
    try {
      return await this.#batcher.add(upload)
    } catch (error) {
      // The only row this write depends on is the user's, who may be deleted while it waits.
      if (isReferenceMissing(error)) return "no_user"
      throw error
    }
  }
}
