import { setImmediate as turn } from "node:timers/promises"
import { describe, expect, it, onTestFinished, vi } from "vitest"
import {
  Batcher,
  BatcherFullError,
  type BatcherOptions,
  type Fault,
  type Stage,
} from "./batcher.ts"

class ItemFault extends Error {}
class TooSlow extends Error {}
function faultOf(error: unknown): Fault {
  if (error instanceof ItemFault) return "item"
  return error instanceof TooSlow ? "slow" : "shared"
}

const WIDE: BatcherOptions<number> = {
  name: "test",
  itemsPerBatchMax: 100,
  batchesInFlightMax: 1,
  itemsWaitingMax: 1_000,
  ownerOf: (item) => item,
}

/** A batcher whose batches stay under way until the test ends them; it answers n with 10 n. */
function heldBatcher(limits: Partial<BatcherOptions<number>> = {}) {
  const batches: { items: number[]; end: () => void; fail: (error: Error) => void }[] = []
  const run = (items: number[]) =>
    new Promise<number[]>((resolve, reject) => {
      const end = () => resolve(items.map((item) => item * 10))
      batches.push({ items, end, fail: reject })
    })
  const batcher = new Batcher(run, faultOf, { ...WIDE, ...limits })
  return { batcher, batches, sizes: () => batches.map(({ items }) => items.length) }
}

/** A batcher whose batches fail for an item fault when one of these items is in them. */
function choosyBatcher(atFault: number[]) {
  const batches: number[][] = []
  const run = async (items: number[]) => {
    batches.push(items)
    await turn()
    const culprit = items.find((item) => atFault.includes(item))
    if (culprit !== undefined) throw new ItemFault(`not ${culprit}`)
    return items.map((item) => item * 10)
  }
  return { batcher: new Batcher(run, faultOf, WIDE), batches }
}

const upTo = (count: number) => Array.from({ length: count }, (_, i) => i + 1)

/** Each promise's result or, for a failed one, its error. */
async function outcomes(promises: Promise<number>[]): Promise<unknown[]> {
  const settled = await Promise.allSettled(promises)
  return settled.map((one) => (one.status === "fulfilled" ? one.value : one.reason))
}

describe("an idle batcher", () => {
  it("makes one batch of everything that comes in during a turn of the event loop", async () => {
    const { batcher, batches } = heldBatcher()
    const early = [1, 2, 3].map((item) => batcher.add(item))
    const late = Promise.resolve().then(() => batcher.add(4))
    expect(batches).toEqual([])
    await turn()
    expect(batches.map(({ items }) => items)).toEqual([[1, 2, 3, 4]])
    batches[0]?.end()
    expect(await Promise.all([...early, late])).toEqual([10, 20, 30, 40])
  })

  it("starts a batch for a single item without waiting for more", async () => {
    const { batcher, batches } = heldBatcher()
    const result = batcher.add(7)
    await turn()
    batches[0]?.end()
    expect(await result).toBe(70)
  })
})

describe("under load", () => {
  it("requests that come in during a batch join the next one", async () => {
    const { batcher, batches } = heldBatcher()
    const first = batcher.add(1)
    await turn()
    const others = [2, 3].map((item) => batcher.add(item))
    await turn()
    others.push(batcher.add(4))
    await turn()
    expect(batches.map(({ items }) => items)).toEqual([[1]])
    batches[0]?.end()
    expect(await first).toBe(10)
    await turn()
    expect(batches.map(({ items }) => items)).toEqual([[1], [2, 3, 4]])
    batches[1]?.end()
    expect(await Promise.all(others)).toEqual([20, 30, 40])
  })

  it("never has more batches under way than batchesInFlightMax", async () => {
    let underWay = 0
    let underWayMost = 0
    const run = async (items: number[]) => {
      underWay += 1
      underWayMost = Math.max(underWayMost, underWay)
      for (let turns = items.length % 5; turns >= 0; turns--) await turn()
      underWay -= 1
      return items
    }
    const limits = { itemsPerBatchMax: 7, batchesInFlightMax: 3 }
    const batcher = new Batcher(run, faultOf, { ...WIDE, ...limits })
    const results: Promise<number>[] = []
    for (const item of upTo(500)) {
      results.push(batcher.add(item))
      if (item % 11 === 0) await turn()
    }
    expect(await Promise.all(results)).toEqual(upTo(500))
    expect(underWayMost).toBe(3)
  })

  it("starts a further batch at once when it is full, as long as it is allowed", async () => {
    const { batcher, batches, sizes } = heldBatcher({ batchesInFlightMax: 2, itemsPerBatchMax: 2 })
    const results = [batcher.add(1)]
    await turn()
    results.push(batcher.add(2))
    await turn()
    expect(sizes()).toEqual([1])
    results.push(batcher.add(3), batcher.add(4))
    await turn()
    expect(sizes()).toEqual([1, 2])
    batches[1]?.end()
    await turn()
    expect(sizes()).toEqual([1, 2])
    batches[0]?.end()
    await turn()
    expect(sizes()).toEqual([1, 2, 1])
    batches[2]?.end()
    expect(await Promise.all(results)).toEqual([10, 20, 30, 40])
  })

  it("starts a further batch that is not full when the latest one is held up", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] })
    onTestFinished(() => void vi.useRealTimers())
    const { batcher, batches, sizes } = heldBatcher({ batchesInFlightMax: 2 })
    const results = [batcher.add(1)]
    await turn()
    results.push(batcher.add(2))
    vi.advanceTimersByTime(49)
    await turn()
    expect(sizes()).toEqual([1])
    vi.advanceTimersByTime(1)
    expect(sizes()).toEqual([1, 1])
    results.push(batcher.add(3))
    vi.advanceTimersByTime(1_000)
    await turn()
    expect(sizes()).toEqual([1, 1])
    batches[1]?.end()
    await turn()
    expect(sizes()).toEqual([1, 1, 1])
    batches[0]?.end()
    batches[2]?.end()
    expect(await Promise.all(results)).toEqual([10, 20, 30])
    expect(vi.getTimerCount()).toBe(0)
  })

  it("goes on beside a batch that is held up, however quick the others are", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] })
    onTestFinished(() => void vi.useRealTimers())
    const { batcher, batches, sizes } = heldBatcher({ batchesInFlightMax: 2 })
    const results = [batcher.add(1)]
    await turn()
    vi.advanceTimersByTime(50)
    for (const item of [2, 3, 4]) {
      results.push(batcher.add(item))
      await turn()
      expect(sizes()).toHaveLength(item)
      batches.at(-1)?.end()
      await turn()
    }
    batches[0]?.end()
    expect(await Promise.all(results)).toEqual([10, 20, 30, 40])
  })

  it("puts no more than itemsPerBatchMax into a batch, and takes them in their order", async () => {
    const { batcher, batches } = heldBatcher({ itemsPerBatchMax: 3 })
    const results = upTo(7).map((item) => batcher.add(item))
    for (let batch = 0; batch < 3; batch++) {
      await turn()
      batches[batch]?.end()
    }
    expect(await Promise.all(results)).toEqual(upTo(7).map((item) => item * 10))
    expect(batches.map(({ items }) => items)).toEqual([[1, 2, 3], [4, 5, 6], [7]])
  })

  it("gives every item its own result, in whatever order the batches end", async () => {
    const { batcher, batches } = heldBatcher({ itemsPerBatchMax: 2, batchesInFlightMax: 3 })
    const results = upTo(6).map((item) => batcher.add(item))
    await turn()
    for (const batch of batches.toReversed()) batch.end()
    expect(await Promise.all(results)).toEqual([10, 20, 30, 40, 50, 60])
  })
})

describe("a full batcher", () => {
  it("refuses one more item with a BatcherFullError, and answers those that wait", async () => {
    const { batcher, batches } = heldBatcher({ itemsWaitingMax: 2 })
    const first = batcher.add(1)
    await turn()
    const waiting = [batcher.add(2), batcher.add(3)]
    await expect(batcher.add(4)).rejects.toThrow(BatcherFullError)
    batches[0]?.end()
    await first
    await turn()
    batches[1]?.end()
    expect(await Promise.all(waiting)).toEqual([20, 30])
    expect(batches.flatMap(({ items }) => items)).toEqual([1, 2, 3])
  })

  it("takes items again once a batch has made room", async () => {
    const { batcher, batches } = heldBatcher({ itemsWaitingMax: 1 })
    const results = [batcher.add(1)]
    await expect(batcher.add(2)).rejects.toThrow(BatcherFullError)
    await turn()
    results.push(batcher.add(3))
    await expect(batcher.add(4)).rejects.toThrow(BatcherFullError)
    batches[0]?.end()
    await results[0]
    await turn()
    batches[1]?.end()
    expect(await Promise.all(results)).toEqual([10, 30])
  })
})

describe("an item at fault", () => {
  it.each(upTo(9))("gets the error alone when it is number %d of nine", async (culprit) => {
    const { batcher } = choosyBatcher([culprit])
    const results = await outcomes(upTo(9).map((item) => batcher.add(item)))
    for (const [i, result] of results.entries()) {
      if (i + 1 === culprit) expect(result).toEqual(new ItemFault(`not ${culprit}`))
      else expect(result).toBe((i + 1) * 10)
    }
  })

  it("does not hide another one: each gets its own error", async () => {
    const { batcher } = choosyBatcher([2, 3, 8])
    const results = await outcomes(upTo(8).map((item) => batcher.add(item)))
    expect(results).toEqual([
      10,
      new ItemFault("not 2"),
      new ItemFault("not 3"),
      40,
      50,
      60,
      70,
      new ItemFault("not 8"),
    ])
  })

  it("costs one further batch per item, of one item each", async () => {
    const { batcher, batches } = choosyBatcher([42])
    await outcomes(upTo(100).map((item) => batcher.add(item)))
    expect(batches.map((batch) => batch.length)).toEqual([100, ...upTo(100).map(() => 1)])
  })

  it("is tried once when it came alone", async () => {
    const { batcher, batches } = choosyBatcher([1])
    await expect(batcher.add(1)).rejects.toThrow("not 1")
    expect(batches).toEqual([[1]])
  })

  it("leaves every item its own error when all are at fault", async () => {
    const { batcher } = choosyBatcher(upTo(5))
    const results = await outcomes(upTo(5).map((item) => batcher.add(item)))
    expect(results).toEqual(upTo(5).map((item) => new ItemFault(`not ${item}`)))
  })

  it("does not hold up the others: four of its batch run alone at a time", async () => {
    let underWay = 0
    let underWayMost = 0
    const run = async (items: number[]) => {
      underWay += 1
      underWayMost = Math.max(underWayMost, underWay)
      await turn()
      underWay -= 1
      if (items.includes(3)) throw new ItemFault("not 3")
      return items
    }
    const batcher = new Batcher(run, faultOf, WIDE)
    const results = await outcomes(upTo(12).map((item) => batcher.add(item)))
    expect(results.filter((result) => result instanceof ItemFault)).toHaveLength(1)
    expect(underWayMost).toBe(4)
  })
})

/**
 * A batcher whose calls are ended as too slow when they have an item above 100, until the test ends
 * what runs long.
 */
function batcherWithSlowOnes(limits: Partial<BatcherOptions<number>> = {}) {
  const calls: [Stage, number[]][] = []
  const ends: (() => void)[] = []
  const run = async (items: number[], stage: Stage) => {
    calls.push([stage, items])
    await turn()
    const slow = items.some((item) => item > 100)
    if (slow && stage !== "longest") throw new TooSlow(`not ${stage}`)
    if (slow) await new Promise<void>((resolve) => ends.push(resolve))
    return items.map((item) => item * 10)
  }
  const batcher = new Batcher(run, faultOf, { ...WIDE, ...limits })
  return { batcher, calls, ends }
}

/** Resolves when so many slow items run as long as they like. */
async function untilLongest(ends: unknown[], count: number): Promise<void> {
  await expect.poll(() => ends, { interval: 1 }).toHaveLength(count)
}

describe("an item that takes long", () => {
  it("is answered when it is done, and the others of its batch before that", async () => {
    const { batcher, calls, ends } = batcherWithSlowOnes()
    const slow = batcher.add(101)
    const others = [2, 3].map((item) => batcher.add(item))
    expect(await Promise.all(others)).toEqual([20, 30])
    await untilLongest(ends, 1)
    expect(calls).toEqual([
      ["together", [101, 2, 3]],
      ["alone", [101]],
      ["alone", [2]],
      ["alone", [3]],
      ["longer", [101]],
      ["longest", [101]],
    ])
    expect(await batcher.add(4)).toBe(40)
    ends[0]?.()
    expect(await slow).toBe(1_010)
  })

  it("holds up none of its batch, however many are like it", async () => {
    const { batcher, ends } = batcherWithSlowOnes()
    const slow = upTo(20).map((item) => batcher.add(100 + item))
    const others = upTo(20).map((item) => batcher.add(item))
    expect(await Promise.all(others)).toEqual(upTo(20).map((item) => item * 10))
    await untilLongest(ends, 20)
    for (const end of ends) end()
    expect(await Promise.all(slow)).toEqual(upTo(20).map((item) => 1_000 + item * 10))
  })

  it("leaves the batcher to others also when it came alone", async () => {
    const { batcher, ends } = batcherWithSlowOnes()
    const slow = batcher.add(101)
    await untilLongest(ends, 1)
    expect(await batcher.add(2)).toBe(20)
    ends[0]?.()
    expect(await slow).toBe(1_010)
  })

  it("fails alone when it takes longer than anything may", async () => {
    const run = async (items: number[]) => {
      await turn()
      if (items.includes(1)) throw new TooSlow("never")
      return items
    }
    const batcher = new Batcher(run, faultOf, WIDE)
    const results = await outcomes(upTo(3).map((item) => batcher.add(item)))
    expect(results).toEqual([new TooSlow("never"), 2, 3])
  })
})

describe("an owner at fault", () => {
  const owned = { ownerOf: (item: number) => Math.floor(item / 100) }

  it("is kept out of others' batches until an item of theirs was quick", async () => {
    const { batcher, calls, ends } = batcherWithSlowOnes(owned)
    const slow = batcher.add(101)
    await untilLongest(ends, 1)
    ends[0]?.()
    await slow
    calls.length = 0

    const again = batcher.add(102)
    expect(await Promise.all([batcher.add(2), batcher.add(3)])).toEqual([20, 30])
    expect(calls).toContainEqual(["together", [2, 3]])
    await untilLongest(ends, 2)
    ends[1]?.()
    expect(await again).toBe(1_020)
    // 100 is the owner's as well, and quick.
    expect(await batcher.add(100)).toBe(1_000)
    calls.length = 0
    expect(await Promise.all([batcher.add(100), batcher.add(2)])).toEqual([1_000, 20])
    expect(calls).toEqual([["together", [100, 2]]])
  })

  it("has one item run at a time, and is refused when too many wait", async () => {
    const { batcher, ends } = batcherWithSlowOnes(owned)
    const first = batcher.add(101)
    await untilLongest(ends, 1)
    const waiting = upTo(16).map((item) => batcher.add(101 + item))
    await expect(batcher.add(150)).rejects.toThrow(BatcherFullError)
    expect(await batcher.add(2)).toBe(20)
    expect(ends).toHaveLength(1)
    for (let ended = 0; ended < 17; ended++) {
      await untilLongest(ends, ended + 1)
      ends[ended]?.()
    }
    await Promise.all([first, ...waiting])
    expect(await batcher.add(100)).toBe(1_000)
  })

  it("counts among those that wait", async () => {
    const { batcher, ends } = batcherWithSlowOnes({ itemsWaitingMax: 2 })
    const slow = [101, 102].map((item) => batcher.add(item))
    await untilLongest(ends, 2)
    await expect(batcher.add(3)).rejects.toThrow(BatcherFullError)
    for (const end of ends) end()
    await Promise.all(slow)
    expect(await batcher.add(3)).toBe(30)
  })
})

describe("a batch that fails for no item's fault", () => {
  it("rejects all its items with the error, and is not repeated", async () => {
    const { batcher, batches } = heldBatcher()
    const results = outcomes(upTo(3).map((item) => batcher.add(item)))
    await turn()
    const error = new Error("no database")
    batches[0]?.fail(error)
    expect(await results).toEqual([error, error, error])
    expect(batches).toHaveLength(1)
  })

  it("does not touch the next batch", async () => {
    const { batcher, batches } = heldBatcher({ itemsPerBatchMax: 2 })
    const results = outcomes(upTo(3).map((item) => batcher.add(item)))
    await turn()
    const error = new Error("no database")
    batches[0]?.fail(error)
    await turn()
    batches[1]?.end()
    expect(await results).toEqual([error, error, 30])
  })

  it("may fail before it gave a promise", async () => {
    const run = (): Promise<number[]> => {
      throw new Error("at once")
    }
    const batcher = new Batcher(run, faultOf, WIDE)
    await expect(batcher.add(1)).rejects.toThrow("at once")
    await expect(batcher.add(2)).rejects.toThrow("at once")
  })

  it.each([0, 2, 4])("rejects when it gave %d results for three items", async (count) => {
    const batcher = new Batcher(async () => upTo(count), faultOf, WIDE)
    const results = await outcomes(upTo(3).map((item) => batcher.add(item)))
    const error = new Error("a batch must give a result per item")
    expect(results).toEqual([error, error, error])
  })
})
