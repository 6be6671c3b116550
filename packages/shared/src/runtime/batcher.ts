import { Histogram } from "prom-client"
import { COUNT_BUCKETS, SECONDS_BUCKETS, secondsSince } from "./metrics.ts"

export interface BatcherOptions {
  /** What its metrics are told apart by. */
  name: string
  /** Items in one batch. */
  itemsPerBatchMax: number
  /** Batches under way at once. */
  batchesInFlightMax: number
  /** Items waiting for a batch; one more is refused with `BatcherFullError`. */
  itemsWaitingMax: number
}

/** More items wait than the batcher may hold: the caller is to come back later. */
export class BatcherFullError extends Error {
  override name = "BatcherFullError"
}

/** Items of a failed batch that are run alone at the same time. */
const ALONE_AT_ONCE_MAX = 4
/** For how long a batch that is not full waits for the one under way. */
const PATIENCE_MS = 50

const batchItems = new Histogram({
  name: "gofermart_batch_items",
  help: "Items in a batch, by what the batch does.",
  labelNames: ["batch"],
  buckets: COUNT_BUCKETS,
})
const batchWait = new Histogram({
  name: "gofermart_batch_wait_seconds",
  help: "How long the first item of a batch waited for the batch to begin.",
  labelNames: ["batch"],
  buckets: SECONDS_BUCKETS,
})
const batchTime = new Histogram({
  name: "gofermart_batch_duration_seconds",
  help: "How long a batch took: the time of the database, its repetitions included.",
  labelNames: ["batch"],
  buckets: SECONDS_BUCKETS,
})

interface Waiting<Item, Result> {
  item: Item
  since: number
  resolve: (result: Result) => void
  reject: (error: unknown) => void
}

/**
 * Turns concurrent single calls into few calls with many items.
 *
 * An idle batcher starts a batch at the end of the event loop's turn, with everything that came in
 * during it: there is no added latency when idle. While a batch is under way, items wait and form
 * the next one, so batches grow with the load. A further one is begun at once only when it would be
 * full, and otherwise when all that are under way seem to be held up: two small batches cost more
 * than one.
 *
 * A batch is not shared fate: when one fails for a cause that lies in one item (`isItemFault`), each
 * of its items is run alone, and only the caller of the item at fault gets the error.
 */
export class Batcher<Item, Result> {
  readonly #run: (items: Item[]) => Promise<Result[]>
  readonly #isItemFault: (error: unknown) => boolean
  readonly #options: BatcherOptions
  #waiting: Waiting<Item, Result>[] = []
  #inFlight = 0
  #heldUp = 0
  #startPlanned = false

  /** `run` takes a batch and resolves with one result per item, in the items' order. */
  constructor(
    run: (items: Item[]) => Promise<Result[]>,
    isItemFault: (error: unknown) => boolean,
    options: BatcherOptions,
  ) {
    this.#run = run
    this.#isItemFault = isItemFault
    this.#options = options
  }

  /** Adds one item; resolves with its result. Rejects with `BatcherFullError` when full. */
  add(item: Item): Promise<Result> {
    if (this.#waiting.length >= this.#options.itemsWaitingMax) {
      return Promise.reject(new BatcherFullError("too many items are waiting"))
    }
    return new Promise((resolve, reject) => {
      this.#waiting.push({ item, since: performance.now(), resolve, reject })
      this.#planStart()
    })
  }

  #planStart(): void {
    if (this.#startPlanned || !this.#mayStart()) return
    this.#startPlanned = true
    setImmediate(() => {
      this.#startPlanned = false
      this.#start()
    })
  }

  #mayStart(): boolean {
    if (this.#inFlight === 0) return true
    if (this.#inFlight >= this.#options.batchesInFlightMax) return false
    return this.#heldUp === this.#inFlight || this.#waiting.length >= this.#options.itemsPerBatchMax
  }

  #start(): void {
    while (this.#waiting.length > 0 && this.#mayStart()) {
      const batch = this.#waiting.splice(0, this.#options.itemsPerBatchMax)
      this.#inFlight += 1
      const begun = this.#observeStart(batch)
      let isHeldUp = false
      const patience = setTimeout(() => {
        isHeldUp = true
        this.#heldUp += 1
        this.#start()
      }, PATIENCE_MS)
      void this.#settle(batch).then(() => {
        batchTime.observe({ batch: this.#options.name }, secondsSince(begun))
        clearTimeout(patience)
        if (isHeldUp) this.#heldUp -= 1
        this.#inFlight -= 1
        this.#start()
      })
    }
  }

  #observeStart(batch: Waiting<Item, Result>[]): number {
    const labels = { batch: this.#options.name }
    batchItems.observe(labels, batch.length)
    batchWait.observe(labels, secondsSince(batch[0]?.since ?? performance.now()))
    return performance.now()
  }

  /** Never rejects: every outcome goes to the items' callers. */
  async #settle(batch: Waiting<Item, Result>[]): Promise<void> {
    try {
      const results = await this.#run(batch.map(({ item }) => item))
      if (results.length !== batch.length) throw new Error("a batch must give a result per item")
      for (const [i, { resolve }] of batch.entries()) resolve(results[i] as Result)
    } catch (error) {
      if (batch.length > 1 && this.#isItemFault(error)) {
        await this.#settleEachAlone(batch)
      } else {
        for (const { reject } of batch) reject(error)
      }
    }
  }

  /** Halving would wait for the same lock once for every half that has the item at fault. */
  async #settleEachAlone(batch: Waiting<Item, Result>[]): Promise<void> {
    const rest = batch.values()
    const lane = async () => {
      for (const waiting of rest) await this.#settle([waiting])
    }
    await Promise.all(Array.from({ length: ALONE_AT_ONCE_MAX }, lane))
  }
}
