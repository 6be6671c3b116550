export interface BatcherLimits {
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

interface Waiting<Item, Result> {
  item: Item
  resolve: (result: Result) => void
  reject: (error: unknown) => void
}

/**
 * Turns concurrent single calls into few calls with many items.
 *
 * An idle batcher starts a batch at the end of the event loop's turn, with everything that came in
 * during it. While as many batches as allowed are under way, items wait and form the next one. So
 * there is no timer, no added latency when idle, and batches grow with the load.
 *
 * A batch is not shared fate: one that fails for a cause that lies in one item (`isItemFault`) is
 * split in halves until the item at fault stands alone, and only its caller gets the error.
 */
export class Batcher<Item, Result> {
  readonly #run: (items: Item[]) => Promise<Result[]>
  readonly #isItemFault: (error: unknown) => boolean
  readonly #limits: BatcherLimits
  #waiting: Waiting<Item, Result>[] = []
  #inFlight = 0
  #startPlanned = false
  #whenIdle: (() => void)[] = []

  /** `run` takes a batch and resolves with one result per item, in the items' order. */
  constructor(
    run: (items: Item[]) => Promise<Result[]>,
    isItemFault: (error: unknown) => boolean,
    limits: BatcherLimits,
  ) {
    this.#run = run
    this.#isItemFault = isItemFault
    this.#limits = limits
  }

  /** Adds one item; resolves with its result. Rejects with `BatcherFullError` when full. */
  add(item: Item): Promise<Result> {
    if (this.#waiting.length >= this.#limits.itemsWaitingMax) {
      return Promise.reject(new BatcherFullError("too many items are waiting"))
    }
    return new Promise((resolve, reject) => {
      this.#waiting.push({ item, resolve, reject })
      this.#planStart()
    })
  }

  /** Resolves once every item added so far has been answered. */
  async idle(): Promise<void> {
    if (this.#inFlight === 0 && this.#waiting.length === 0) return
    await new Promise<void>((resolve) => this.#whenIdle.push(resolve))
  }

  #planStart(): void {
    if (this.#startPlanned || this.#inFlight >= this.#limits.batchesInFlightMax) return
    this.#startPlanned = true
    setImmediate(() => {
      this.#startPlanned = false
      this.#start()
    })
  }

  #start(): void {
    while (this.#waiting.length > 0 && this.#inFlight < this.#limits.batchesInFlightMax) {
      const batch = this.#waiting.splice(0, this.#limits.itemsPerBatchMax)
      this.#inFlight += 1
      void this.#settle(batch).then(() => {
        this.#inFlight -= 1
        this.#start()
        if (this.#inFlight === 0) for (const resolve of this.#whenIdle.splice(0)) resolve()
      })
    }
  }

  /** Never rejects: every outcome goes to the items' callers. */
  async #settle(batch: Waiting<Item, Result>[]): Promise<void> {
    try {
      const results = await this.#run(batch.map(({ item }) => item))
      if (results.length !== batch.length) throw new Error("a batch must give a result per item")
      for (const [i, { resolve }] of batch.entries()) resolve(results[i] as Result)
    } catch (error) {
      if (batch.length > 1 && this.#isItemFault(error)) {
        const middle = batch.length >> 1
        await this.#settle(batch.slice(0, middle))
        await this.#settle(batch.slice(middle))
      } else {
        for (const { reject } of batch) reject(error)
      }
    }
  }
}
