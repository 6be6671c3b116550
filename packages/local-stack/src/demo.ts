import { randomInt } from "node:crypto"
import { setTimeout as sleep } from "node:timers/promises"
import { type OrderNumber, withCheckDigit } from "@gofermart/shared/domain/order-number.ts"
import {
  addPoints,
  NO_POINTS,
  type Points,
  pointsFromNumber,
  pointsToNumber,
} from "@gofermart/shared/domain/points.ts"
import { readConfigOrExit } from "@gofermart/shared/runtime/config-exit.ts"
import { onReaderGone } from "@gofermart/shared/runtime/exit.ts"
import { SingleBar } from "cli-progress"
import { collectEvents, whatIsWrong } from "./account-events.ts"
import { Customer } from "./customer.ts"
import { judgeDataFolder, readRunning } from "./data-folder.ts"
import { announceOrder } from "./simulator-client.ts"

const CUSTOMERS = 6
const ORDERS_PER_CUSTOMER = 50
const WITHDRAWALS_PER_CUSTOMER = 3
/** Orders under way at once, over all customers. */
const CONCURRENCY = 24
const SETTLED_TIMEOUT_MS = 120_000
/** How long an upload may wait for its order to be final. */
const WAIT_S = 10
/** For the last events to come: the API looks for news once a second. */
const EVENTS_TIMEOUT_MS = 10_000
const LOOK_INTERVAL_MS = 250

const say = (line: string) => process.stdout.write(`${line}\n`)
onReaderGone((code) => process.exit(code))
readConfigOrExit(judgeDataFolder)
const running = await readRunning()
if (running === undefined)
  fail("Gofermart does not run from this folder. Start it first: pnpm start")
if (!running.simulated) fail("The demo tells the simulator of its orders; this stack has none.")
const { apiUrl, scoringUrl } = running

const run = randomInt(1e6)
const customers = await Promise.all(
  Array.from({ length: CUSTOMERS }, (_, i) => Customer.register(apiUrl, `demo-${run}-${i + 1}`)),
)
const anna = customers[0] ?? fail("There are no customers.")
const stopFollowing = new AbortController()
const following = collectEvents(
  anna,
  ORDERS_PER_CUSTOMER + 1 + WITHDRAWALS_PER_CUSTOMER,
  stopFollowing.signal,
)
say(`${CUSTOMERS} customers upload ${CUSTOMERS * ORDERS_PER_CUSTOMER} orders to ${apiUrl}.
Watch what becomes of ${anna.login} in another terminal:

  curl -N -H 'Authorization: ${anna.authorization}' -H 'Last-Event-ID: 0' ${apiUrl}/api/user/events
`)

const purchases = customers.flatMap((customer) =>
  Array.from({ length: ORDERS_PER_CUSTOMER }, () => ({ customer, number: randomNumber() })),
)
await withBar("uploaded", purchases.length, async (step) => {
  await eachAtOnce(CONCURRENCY, purchases, async ({ customer, number }) => {
    await announceOrder(scoringUrl, number)
    await customer.upload(number)
    step()
  })
})
await withBar("settled", purchases.length, (_step, show) => untilSettled(show))
await withBar("withdrawn", CUSTOMERS * WITHDRAWALS_PER_CUSTOMER, async (step) => {
  for (const customer of customers) {
    for (let i = 0; i < WITHDRAWALS_PER_CUSTOMER; i++) {
      await customer.withdraw(randomNumber(), randomInt(1, 100_000) / 100)
      step()
    }
  }
})
await uploadAndWait()
await explain()
await checkEvents()

async function untilSettled(show: (settled: number) => void): Promise<void> {
  const deadline = performance.now() + SETTLED_TIMEOUT_MS
  for (;;) {
    const lists = await Promise.all(customers.map((customer) => customer.orders()))
    const settled = lists.flat().filter(({ status }) => status !== "PROCESSING").length
    show(settled)
    if (settled === purchases.length) return
    if (performance.now() > deadline) fail("\nNot every order was settled in time; see the logs.")
    await sleep(LOOK_INTERVAL_MS)
  }
}

/** An upload that prefers to wait is answered with what the order has earned. */
async function uploadAndWait(): Promise<void> {
  const number = randomNumber()
  await announceOrder(scoringUrl, number)
  const start = performance.now()
  const { status, accrual = 0 } = await anna.uploadAndWait(number, WAIT_S)
  const tookMs = Math.round(performance.now() - start)
  say(
    `\nWith "Prefer: wait=${WAIT_S}" one upload came back in ${tookMs} ms as ${status}: ${accrual}.`,
  )
  if (status === "PROCESSING") process.exitCode = 1
}

/** Shows each balance beside what its rows add up to, and fails when one is not explained. */
async function explain(): Promise<void> {
  const line = (cells: (string | number)[]) =>
    cells.map((cell) => String(cell).padStart(14)).join("")
  say(`\n${line(["customer", "orders", "accruals", "withdrawals", "balance", "explained"])}`)
  let unexplained = 0
  for (const customer of customers) {
    const [orders, withdrawals, balance] = await Promise.all([
      customer.orders(),
      customer.withdrawals(),
      customer.balance(),
    ])
    const earned = total(orders.map(({ accrual = 0 }) => accrual))
    const spent = total(withdrawals.map(({ sum }) => sum))
    const isExplained =
      exact(balance.current) === earned - spent && exact(balance.withdrawn) === spent
    if (!isExplained) unexplained++
    const sums = [pointsToNumber(earned), pointsToNumber(spent), balance.current]
    say(line([customer.login, orders.length, ...sums, isExplained ? "yes" : "NO"]))
  }
  say(unexplained === 0 ? "\nEach balance is its accruals less its withdrawals." : "\nWRONG")
  if (unexplained > 0) process.exitCode = 1
}

/** Says whether what was seen of an account as it changed is what it has come to. */
async function checkEvents(): Promise<void> {
  const timer = setTimeout(() => stopFollowing.abort(), EVENTS_TIMEOUT_MS)
  const events = await following
  clearTimeout(timer)
  const wrong = await whatIsWrong(events, anna)
  say(`${events.length} events of ${anna.login} came.`)
  if (wrong.length === 0) {
    say("Each order and withdrawal was shown once, in order, and the last balance is the balance.")
  } else {
    say(`WRONG: ${wrong.join(" ")}`)
    process.exitCode = 1
  }
}

function total(amounts: number[]): Points {
  return amounts.map(exact).reduce(addPoints, NO_POINTS)
}

function exact(amount: number): Points {
  const points = pointsFromNumber(amount)
  if (points === undefined) throw new RangeError(`${amount} is not an amount of points`)
  return points
}

function randomNumber(): OrderNumber {
  return withCheckDigit(String(randomInt(1e11, 1e12)))
}

async function withBar(
  what: string,
  steps: number,
  work: (step: () => void, show: (done: number) => void) => Promise<void>,
): Promise<void> {
  const bar = new SingleBar({
    format: `${what.padEnd(10)} [{bar}] {value}/{total}  {duration_formatted}`,
    noTTYOutput: true,
    notTTYSchedule: 1_000,
  })
  bar.start(steps, 0)
  try {
    await work(
      () => bar.increment(),
      (done) => bar.update(done),
    )
  } finally {
    bar.stop()
  }
}

async function eachAtOnce<Item>(
  limit: number,
  items: Item[],
  work: (item: Item) => Promise<void>,
): Promise<void> {
  const rest = items.values()
  const lane = async () => {
    for (const item of rest) await work(item)
  }
  await Promise.all(Array.from({ length: limit }, lane))
}

function fail(sentence: string): never {
  say(sentence)
  process.exit(1)
}
