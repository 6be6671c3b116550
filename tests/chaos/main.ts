import { setTimeout as sleep } from "node:timers/promises"
import { parseArgs } from "node:util"
import { Customer } from "@gofermart/local-stack/customer.ts"
import { SingleBar } from "cli-progress"
import { uniformInt } from "pure-rand/distribution/uniformInt"
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus"
import { compare, type Comparison } from "../faults/compare.ts"
import { Traffic } from "../faults/traffic.ts"
import { newLogin } from "../harness/numbers.ts"
import { type Fault, faultsOf } from "./faults.ts"
import { buildStack, LONGEST_DELAY_MS, type Stack } from "./stack.ts"

const HELP = `Hurts a whole system at random while customers upload and withdraw, and checks that nothing they
were told was lost or happened twice.

  pnpm chaos [options]

  --minutes N               how long to go on hurting it      (2)
  --seed N                  the same faults in the same order (a random one, printed)
  --queue redis|postgresql  where the queue is                (redis)
  --help                    this text

Everything runs on this machine, on servers of its own. Exits with 1 when anything was lost or twice.
`
const CUSTOMERS = 4
const REST_MS = 50
/** Between one fault's end and the next one's beginning. */
const PAUSE_MIN_MS = 500
const PAUSE_MAX_MS = 6_000
const SETTLED_MARGIN_MS = 30_000
const LOOK_INTERVAL_MS = 500
const RECOVERY_LOOK_INTERVAL_MS = 50
const MINUTES_MAX = 24 * 60
const SEED_MAX = 0x7fffffff

const say = (line: string) => process.stdout.write(`${line}\n`)
const options = readOptions()
if (options === undefined) say(HELP)
else process.exitCode = await run(options)

interface Options {
  minutes: number
  seed: number
  queue: "redis" | "postgresql"
}

function readOptions(): Options | undefined {
  const { values } = parseArgs({
    options: {
      minutes: { type: "string", default: "2" },
      seed: { type: "string", default: String(Math.floor(Math.random() * SEED_MAX)) },
      queue: { type: "string", default: "redis" },
      help: { type: "boolean", short: "h", default: false },
    },
  })
  if (values.help) return undefined
  const minutes = Number(values.minutes)
  const seed = Number(values.seed)
  const { queue } = values
  const isUsable =
    minutes > 0 && minutes <= MINUTES_MAX && Number.isInteger(seed) && seed >= 0 && seed <= SEED_MAX
  if (!isUsable || (queue !== "redis" && queue !== "postgresql")) {
    say(HELP)
    process.exit(1)
  }
  return { minutes, seed, queue }
}

async function run({ minutes, seed, queue }: Options): Promise<number> {
  say(`Chaos for ${minutes} min, queue on ${queue}. To see the same faults again: --seed ${seed}\n`)
  const stack = await buildStack(queue)
  try {
    const customers = await Promise.all(
      Array.from({ length: CUSTOMERS }, (_, i) =>
        Customer.register(stack.apiUrls[i % stack.apiUrls.length] ?? "", newLogin()),
      ),
    )
    const traffic = Traffic.begin(customers, REST_MS)
    const { injected, recoveriesMs } = await hurt(stack, traffic, minutes * 60_000, seed)
    await traffic.stop()
    const comparison = await settle(stack, traffic)
    return summarise(traffic, injected, recoveriesMs, comparison)
  } finally {
    await stack.close()
  }
}

/** One fault after another, each healed before the next. */
async function hurt(stack: Stack, traffic: Traffic, forMs: number, seed: number) {
  const random = xoroshiro128plus(seed)
  const between = (min: number, max: number) => uniformInt(random, min, max)
  const faults = faultsOf(stack)
  const injected = new Map<string, number>()
  const recoveriesMs: number[] = []
  const recovering: Promise<unknown>[] = []
  const start = performance.now()
  const bar = new SingleBar({
    format: "[{bar}] {value}/{total} s  {acknowledged} acknowledged  {now}",
    noTTYOutput: true,
    notTTYSchedule: 10_000,
  })
  bar.start(Math.round(forMs / 1_000), 0, { acknowledged: 0, now: "" })
  const show = (now: string) =>
    bar.update(Math.round((performance.now() - start) / 1_000), {
      acknowledged: traffic.uploads.size + traffic.withdrawals.size,
      now,
    })
  while (performance.now() - start < forMs) {
    // Everything is drawn at once, so that a seed means the same faults however long they take.
    const fault = faults[between(0, faults.length - 1)] as Fault
    const pick = between(0, SEED_MAX)
    const lastsMs = between(fault.minMs, fault.maxMs)
    const pauseMs = between(PAUSE_MIN_MS, PAUSE_MAX_MS)
    show(fault.name)
    await fault.hurt(stack, pick)
    injected.set(fault.name, (injected.get(fault.name) ?? 0) + 1)
    await sleep(lastsMs)
    await fault.heal(stack, pick)
    show("healed")
    recovering.push(recovered(stack, traffic).then((ms) => recoveriesMs.push(ms)))
    await sleep(pauseMs)
  }
  await Promise.all(recovering)
  bar.stop()
  return { injected, recoveriesMs }
}

/** Resolves with how long it takes until an order that is uploaded from now on is final. */
async function recovered({ client }: Stack, traffic: Traffic): Promise<number> {
  const healed = performance.now()
  const before = traffic.uploads.size
  while (traffic.uploads.size === before) await sleep(RECOVERY_LOOK_INTERVAL_MS)
  const number = [...traffic.uploads.keys()][before] ?? ""
  const isFinal = async () =>
    (await client.accrual.count({ where: { order: { number }, version: { not: null } } })) > 0
  // The next fault may well be the database's.
  while (!(await isFinal().catch(() => false))) await sleep(RECOVERY_LOOK_INTERVAL_MS)
  return performance.now() - healed
}

/** Waits until every order is final, for as long as that may take, and compares. */
async function settle(stack: Stack, traffic: Traffic): Promise<Comparison> {
  const deadline = performance.now() + LONGEST_DELAY_MS + SETTLED_MARGIN_MS
  for (;;) {
    const comparison = await compare(stack.client, traffic)
    if (comparison.waiting.length === 0 || performance.now() > deadline) return comparison
    await sleep(LOOK_INTERVAL_MS)
  }
}

function summarise(
  traffic: Traffic,
  injected: Map<string, number>,
  recoveriesMs: number[],
  { lost, twice, waiting, unexplained }: Comparison,
): number {
  const table = (title: string, rows: Iterable<[string, number]>) => {
    say(`\n${title}`)
    const lines = [...rows].toSorted(([a], [b]) => a.localeCompare(b))
    for (const [name, count] of lines) say(`  ${name.padEnd(28)}${String(count).padStart(8)}`)
  }
  const internal = [...traffic.answers]
    .filter(([answer]) => / 5(?!03)\d\d$| 4(?!02)\d\d$/.test(answer))
    .map(([answer]) => answer)
  table("Faults", injected)
  table("Requests", traffic.answers)
  table("Acknowledged", [
    ["uploads", traffic.uploads.size],
    ["withdrawals", traffic.withdrawals.size],
  ])
  table("Must be 0", [
    ["acknowledged and lost", lost.length],
    ["happened twice or wrong", twice.length],
    ["not final in time", waiting.length],
    ["balances unexplained", unexplained.length],
    ["answers that nobody expects", internal.length],
  ])
  say(
    `\nWorst recovery: ${Math.round(Math.max(0, ...recoveriesMs))} ms from a fault's end until a new order is final.`,
  )
  const wrong = [...lost, ...twice, ...waiting, ...unexplained, ...internal]
  for (const what of wrong.slice(0, 20)) say(`  ${what}`)
  return wrong.length === 0 ? 0 : 1
}
