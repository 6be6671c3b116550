// What sharding the accrual queue does to the one limit of the scoring system (docs/SCALING.md).
// Orders come at random and go to a shard by the CRC-32 of their number; every millisecond one of
// them may be polled. Run it with `node benchmarks/simulations/hot-shard.ts`; it takes seconds
// and gives the same output every time.
import { crc32 } from "node:zlib"
import { uniformFloat64 } from "pure-rand/distribution/uniformFloat64"
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus"

const POLLS_PER_S = 1_000
const RUN_S = 300
/** Arrivals as a part of what may be polled. */
const LOAD = 0.9
const BACKLOG = 100_000
const SHARDS = [1, 4, 16, 64]
const SEED = 2026

type ShardOf = (number: string, shards: number) => number

const byCrc32: ShardOf = (number, shards) => crc32(number) % shards
/** What not to do: a check digit has ten values. */
const byLastDigit: ShardOf = (number, shards) => Number(number.at(-1)) % shards

function poisson(mean: number, random: () => number): number {
  let count = 0
  for (let left = random(); left > Math.exp(-mean); left *= random()) count += 1
  return count
}

/**
 * Whose order is polled in a slot: each shard's in its turn; each's as often as its orders are
 * many; or, of one budget for all, the one that has waited longest.
 */
type Split = "even" | "dealt" | "shared"

interface Queue {
  /** The slots in which its orders came. */
  came: number[]
  /** The first of them that has not been polled. */
  next: number
  credit: number
}

interface Case {
  shards: number
  shardOf: ShardOf
  split: Split
  load: number
  backlog: number
}

/** The waits of all orders that were polled, in slots, in order of length; and the last slot. */
function simulate({ shards, shardOf, split, load, backlog }: Case) {
  const generator = xoroshiro128plus(SEED)
  const random = () => uniformFloat64(generator)
  const queues: Queue[] = Array.from({ length: shards }, () => ({ came: [], next: 0, credit: 0 }))
  let shares = queues.map(() => 1 / shards)
  const waits: number[] = []
  const arrive = (slot: number) => {
    const number = String(Math.floor(random() * 10 ** 15))
    queues[shardOf(number, shards)]?.came.push(slot)
  }
  for (let i = 0; i < backlog; i++) arrive(0)
  const [slots, polls] = backlog > 0 ? [Infinity, backlog] : [RUN_S * POLLS_PER_S, Infinity]
  let slot = 0
  for (; slot < slots && waits.length < polls; slot++) {
    for (let count = poisson(load, random); count > 0; count--) arrive(slot)
    if (split === "dealt" && slot % POLLS_PER_S === 0) {
      // Once a second, by what waits and by what is to come until the next deal.
      const due = queues.map(({ came, next }) => came.length - next + (load * POLLS_PER_S) / shards)
      const all = due.reduce((sum, count) => sum + count, 0)
      shares = due.map((count) => (all > 0 ? count / all : 1 / shards))
    }
    for (const [i, queue] of queues.entries()) queue.credit += shares[i] ?? 0
    // With credits the slot is a shard's whether or not an order waits there.
    const claim = ({ credit, came, next }: Queue) =>
      split === "shared" ? -(came[next] ?? Infinity) : credit
    const queue = queues.reduce((most, other) => (claim(other) > claim(most) ? other : most))
    queue.credit -= 1
    const came = queue.came[queue.next]
    if (came === undefined) continue
    queue.next += 1
    waits.push(slot - came)
  }
  return { waits: waits.toSorted((a, b) => a - b), slots: slot }
}

const say = (line: string) => process.stdout.write(`${line}\n`)
const columns = (cells: (string | number)[]) =>
  say(cells.map((cell) => String(cell).padStart(11)).join(""))
const seconds = (slots = 0) => (slots / POLLS_PER_S).toFixed(3)

say(`Waiting for a poll, in s: ${POLLS_PER_S} a second, ${LOAD * 100} % of them used`)
columns(["shards", "budget", "p50", "p99", "p99.9", "longest"])
for (const shards of SHARDS) {
  for (const split of ["even", "dealt", "shared"] as const) {
    const { waits } = simulate({ shards, shardOf: byCrc32, split, load: LOAD, backlog: 0 })
    const at = (part: number) => seconds(waits[Math.floor(part * (waits.length - 1))])
    columns([shards, split, at(0.5), at(0.99), at(0.999), at(1)])
  }
}

say(`\nBudget lost while ${BACKLOG} waiting orders are polled, in %`)
columns(["shards", "even", "dealt", "shared", "last digit"])
for (const shards of SHARDS) {
  const lost = (shardOf: ShardOf, split: Split) => {
    const { slots } = simulate({ shards, shardOf, split, load: 0, backlog: BACKLOG })
    return (100 * (1 - BACKLOG / slots)).toFixed(1)
  }
  const budgets = (["even", "dealt", "shared"] as const).map((split) => lost(byCrc32, split))
  columns([shards, ...budgets, lost(byLastDigit, "even")])
}
