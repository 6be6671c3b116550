import pLimit from "p-limit"
import { Counter, Histogram } from "prom-client"
import { COUNT_BUCKETS, SECONDS_BUCKETS, secondsSince } from "./metrics.ts"

export interface BatcherOptions<Item> {
  /** What its metrics are told apart by. */
  name: string
  /** Items in one batch. */
  itemsPerBatchMax: number
  /** Batches under way at once. */
  batchesInFlightMax: number
  /** Items waiting for a batch or run alone; one more is refused with `BatcherFullError`. */
  itemsWaitingMax: number
  /** Whose item it is: a user, or an order. Who is at fault is told by it. */
  ownerOf: (item: Item) => unknown
}

/**
 * How a call is made: for a whole batch; or for one item, which is given little time, then more, and
 * at last as much as a call may take.
 */
export type Stage = "together" | "alone" | "longer" | "longest"

/**
 * Why a call failed: `shared`, for a cause that would fail any other as well; `item`, for one that
 * may lie in a single item; `slow`, it was ended because it had taken its time.
 */
export type Fault = "shared" | "item" | "slow"

/** More items wait than the batcher may hold: the caller is to come back later. */
export class BatcherFullError extends Error {
  override name = "BatcherFullError"
}

/** Items that are run alone at the same time, and as many of those that have taken more time. */
const ALONE_AT_ONCE_MAX = 4
/** Items of an owner at fault that wait for each other; one more is refused. */
const WAITING_PER_OWNER_MAX = 16
/** Owners at fault that are remembered; beyond that the longest known is forgotten. */
const OWNERS_AT_FAULT_MAX = 10_000
/** For how long a batch that is not full waits for the one under way. */
const BATCH_WAIT_MS = 50

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
const itemsAlone = new Counter({
  name: "gofermart_batch_items_alone_total",
  help: "Items that were run alone because a batch of theirs failed or took too long, by what came of them.",
  labelNames: ["batch", "outcome"],
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
 * A batch is not shared fate. When one fails for a cause that may lie in one item, or takes too
 * long, each of its items is run alone, with little time each. One that needs more is run again, and
 * again, with more, beside those that do not. Who was at fault is kept out of batches until an item of theirs has been
 * quick, and their items are run one after another.
 */
export class Batcher<Item, Result> {
  readonly #run: (items: Item[], stage: Stage) => Promise<Result[]>
  readonly #faultOf: (error: unknown) => Fault
  readonly #options: BatcherOptions<Item>
  #waiting: Waiting<Item, Result>[] = []
  #inFlight = 0
  #heldUp = 0
  #startPlanned = false
  readonly #lanes = { alone: pLimit(ALONE_AT_ONCE_MAX), longer: pLimit(ALONE_AT_ONCE_MAX) }
  /** By owner, of whom one item is run alone, those that wait for it. */
  readonly #apart = new Map<unknown, Waiting<Item, Result>[]>()
  #apartCount = 0
  readonly #atFault = new Set<unknown>()

  /**
   * `run` takes a batch and resolves with one result per item, in the items' order. It sees to it
   * that no call takes longer than its stage allows, and may be repeated for the same items.
   */
  constructor(
    run: (items: Item[], stage: Stage) => Promise<Result[]>,
    faultOf: (error: unknown) => Fault,
    options: BatcherOptions<Item>,
  ) {
    this.#run = run
    this.#faultOf = faultOf
    this.#options = options
  }

  /** Adds one item; resolves with its result. Rejects with `BatcherFullError` when full. */
  add(item: Item): Promise<Result> {
    if (this.#isFullFor(item)) {
      return Promise.reject(new BatcherFullError("too many items are waiting"))
    }
    return new Promise((resolve, reject) => {
      const waiting = { item, since: performance.now(), resolve, reject }
      if (this.#atFault.has(this.#options.ownerOf(item))) {
        void this.#setApart(waiting)
        return
      }
      this.#waiting.push(waiting)
      this.#planStart()
    })
  }

  #isFullFor(item: Item): boolean {
    if (this.#waiting.length + this.#apartCount >= this.#options.itemsWaitingMax) return true
    if (this.#atFault.size === 0) return false
    const owner = this.#options.ownerOf(item)
    const waiting = this.#apart.get(owner)?.length ?? 0
    return this.#atFault.has(owner) && waiting >= WAITING_PER_OWNER_MAX
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
      }, BATCH_WAIT_MS)
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
      const results = await this.#call(batch, "together")
      for (const [i, { resolve }] of batch.entries()) resolve(results[i] as Result)
    } catch (error) {
      const fault = this.#faultOf(error)
      const [first] = batch
      if (fault === "shared") for (const { reject } of batch) reject(error)
      // Halving would wait for the same lock once for every half that has the item at fault.
      else if (batch.length > 1) await Promise.all(batch.map((one) => this.#setApart(one)))
      else if (first !== undefined && fault === "slow") void this.#setApart(first)
      else if (first !== undefined) {
        this.#blame(first)
        first.reject(error)
      }
    }
  }

  async #call(batch: Waiting<Item, Result>[], stage: Stage): Promise<Result[]> {
    const results = await this.#run(
      batch.map(({ item }) => item),
      stage,
    )
    if (results.length !== batch.length) throw new Error("a batch must give a result per item")
    return results
  }

  /**
   * Runs an item alone, after its owner's others. Resolves when it has been tried, or has to wait
   * for them; never rejects.
   */
  async #setApart(waiting: Waiting<Item, Result>): Promise<void> {
    this.#apartCount += 1
    const others = this.#apart.get(this.#options.ownerOf(waiting.item))
    if (others !== undefined) others.push(waiting)
    else await this.#takeTurn(waiting)
  }

  async #takeTurn(waiting: Waiting<Item, Result>): Promise<void> {
    const owner = this.#options.ownerOf(waiting.item)
    if (!this.#apart.has(owner)) this.#apart.set(owner, [])
    const isDone = await this.#lanes.alone(() => this.#tryAlone(waiting, "alone"))
    if (isDone) this.#giveTurn(owner)
    else void this.#goOn(waiting).then(() => this.#giveTurn(owner))
  }

  async #goOn(waiting: Waiting<Item, Result>): Promise<void> {
    const isDone = await this.#lanes.longer(() => this.#tryAlone(waiting, "longer"))
    if (!isDone) await this.#tryAlone(waiting, "longest")
  }

  #giveTurn(owner: unknown): void {
    this.#apartCount -= 1
    const next = this.#apart.get(owner)?.shift()
    if (next === undefined) this.#apart.delete(owner)
    else void this.#takeTurn(next)
  }

  /** Resolves with whether its caller has been answered. */
  async #tryAlone(waiting: Waiting<Item, Result>, stage: Stage): Promise<boolean> {
    const labels = { batch: this.#options.name }
    try {
      const [result] = await this.#call([waiting], stage)
      if (stage === "alone") this.#atFault.delete(this.#options.ownerOf(waiting.item))
      itemsAlone.inc({ ...labels, outcome: stage === "alone" ? "quick" : "slow" })
      waiting.resolve(result as Result)
      return true
    } catch (error) {
      const fault = this.#faultOf(error)
      if (fault !== "shared") this.#blame(waiting)
      if (fault === "slow" && stage !== "longest") return false
      itemsAlone.inc({ ...labels, outcome: "failed" })
      waiting.reject(error)
      return true
    }
  }

  #blame({ item }: Waiting<Item, Result>): void {
    const owner = this.#options.ownerOf(item)
    this.#atFault.delete(owner)
    this.#atFault.add(owner)
    const [longestKnown] = this.#atFault
    if (this.#atFault.size > OWNERS_AT_FAULT_MAX) this.#atFault.delete(longestKnown)
  }
}
