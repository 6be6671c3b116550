import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { startChild } from "@gofermart/local-stack/child.ts"
import { Customer } from "@gofermart/local-stack/customer.ts"
import { startPostgres } from "@gofermart/local-stack/postgres.ts"
import { migrate } from "@gofermart/shared/migrate/migrate.ts"
import { withCheckDigit } from "@gofermart/shared/domain/order-number.ts"
import { openAccrualQueue } from "@gofermart/shared/queue/backend.ts"
import { createLogger } from "@gofermart/shared/runtime/logger.ts"
import { eventually } from "../harness/eventually.ts"
import {
  json,
  order,
  type Reply,
  startScriptedScoring,
  status,
} from "@gofermart/scoring-simulator/scripted.ts"

/** Longer than an order is polled in vain before its job fails. */
const VAIN_MS = 6 * 3_600_000 + 60_000
const POLLS_IN_VAIN = 434

/** A system with orders in every state, and whom to close it by. */
export interface Fixture {
  apiUrl: string
  operatorsUrl: string
  /** The order whose job has failed. */
  failed: string
  close(): Promise<void>
}

/** Starts a system of its own, and brings its orders to where a picture shows them. */
export async function buildFixture(): Promise<Fixture> {
  const closers: (() => Promise<unknown>)[] = []
  const close = async () => {
    for (const step of closers.toReversed()) await step()
  }
  try {
    return { ...(await build((step) => closers.push(step))), close }
  } catch (error) {
    await close()
    throw error
  }
}

async function build(onClose: (close: () => Promise<unknown>) => void) {
  const folder = await mkdtemp(join(tmpdir(), "gofermart-pictures-"))
  onClose(() => rm(folder, { recursive: true }))
  const postgres = await startPostgres(join(folder, "postgres"))
  onClose(() => postgres.stop("immediate"))
  await postgres.createDatabase("gofermart")
  const url = postgres.url("gofermart")
  await migrate(url)
  const scoring = await startScriptedScoring()
  onClose(() => scoring.close())
  const settings = { DATABASE_URL: url, OPERATORS_ADDRESS: "127.0.0.1:0" }
  const api = await startChild(
    "api",
    { ...settings, AUTH_KEYS: `pictures:${"A".repeat(43)}`, RUN_ADDRESS: "127.0.0.1:0" },
    join(folder, "api.log"),
  )
  onClose(() => api.stop())
  const worker = await startChild(
    "worker",
    { ...settings, SCORING_URL: scoring.url },
    join(folder, "worker.log"),
  )
  onClose(() => worker.stop())
  const queue = await openAccrualQueue(url, createLogger("pictures", "silent"))
  onClose(() => queue.close())

  const apiUrl = api.details["url"] ?? ""
  let orders = 0
  const upload = async (customer: Customer, ...replies: Reply[]) => {
    const number = withCheckDigit(String(4_711_000_000 + 1_137 * orders++))
    scoring.script(number, ...replies)
    await customer.upload(number)
    return number
  }
  const [anna, bob, carol] = await Promise.all(
    ["anna", "bob", "carol"].map((login) => Customer.register(apiUrl, login)),
  )
  if (anna === undefined || bob === undefined || carol === undefined) throw new Error("nobody")
  const failed = await upload(bob, json("<html>Down for maintenance</html>"))
  for (const customer of [anna, bob, carol]) {
    for (const points of ["729.98", "12.5", "100", "0.75"]) {
      await upload(customer, order("PROCESSED", points))
    }
    await upload(customer, order("INVALID"))
    await upload(customer, order("PROCESSING"))
  }
  await upload(anna, order("REGISTERED"))
  await upload(carol, status(503))

  const job = await eventually("the order was polled in vain", async () => {
    const found = await queue.getJob(`order-${failed}`)
    return found !== undefined && (await found.isDelayed()) ? found : undefined
  })
  await job.updateData({ ...job.data, polls: POLLS_IN_VAIN, brokenSince: Date.now() - VAIN_MS })
  await job.promote()
  await eventually("its job has failed", async () => (await queue.getFailedCount()) === 1)
  await eventually("the others wait", async () => (await queue.getDelayedCount()) === 5)
  return { apiUrl, operatorsUrl: api.details["operatorsUrl"] ?? "", failed }
}
