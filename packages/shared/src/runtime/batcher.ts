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

/** Items of a failed batch that are run alone at the same time. */
const ALONE_AT_ONCE_MAX = 4
/** For how long a batch that is not full waits for the one under way. */
const PATIENCE_MS = 50

interface Waiting<Item, Result> {
  item: Item
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
  readonly #limits: BatcherLimits
  #waiting: Waiting<Item, Result>[] = []
  #inFlight = 0
  #heldUp = 0
  #startPlanned = false

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
    if (this.#inFlight >= this.#limits.batchesInFlightMax) return false
    return this.#heldUp === this.#inFlight || this.#waiting.length >= this.#limits.itemsPerBatchMax
  }

  #start(): void {
    while (this.#waiting.length > 0 && this.#mayStart()) {
      const batch = this.#waiting.splice(0, this.#limits.itemsPerBatchMax)
      this.#inFlight += 1
      let isHeldUp = false
      const patience = setTimeout(() => {
        isHeldUp = true
        this.#heldUp += 1
        this.#start()
      }, PATIENCE_MS)
      void this.#settle(batch).then(() => {
        clearTimeout(patience)
        if (isHeldUp) this.#heldUp -= 1
        this.#inFlight -= 1
        this.#start()
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
