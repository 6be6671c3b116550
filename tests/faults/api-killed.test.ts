import { setTimeout as sleep } from "node:timers/promises"
import type { Customer } from "@gofermart/local-stack/customer.ts"
import { openAccrualQueue } from "@gofermart/shared/queue/backend.ts"
import { createLogger } from "@gofermart/shared/runtime/logger.ts"
import { describe, expect, it } from "vitest"
import { describeOnBackends } from "../harness/backends.ts"
import { holdCommits, holdTransaction, untilGone, untilWaiting } from "../harness/commits.ts"
import { startOwnDatabase, type TestDatabase } from "../harness/database.ts"
import { eventually } from "../harness/eventually.ts"
import { expectOwnAccruals } from "../harness/load.ts"
import { newNumber } from "../harness/numbers.ts"
import { expectAllSettledOnce } from "../harness/invariants.ts"
import { type Backend, startSystem, type System } from "../harness/system.ts"

/** Requeue's longest lease in these tests is 5 s, the backoff starts at 1 s; and 30 s. */
const SETTLED_WITHIN_MS = 36_000
const LOCK_TIMEOUT_MS = 5_000
const NO_ANSWER = "no answer"

let system: System
let anna: Customer

/** Where commits are to be held, the database is on a server of its own. */
async function start(backend: Backend, workers: number, own?: TestDatabase) {
  system = await startSystem({ backend, workers, ...(own && { database: own }) })
  await system.simulator.behave({ autoRegister: true })
  anna = await system.register()
  // Otherwise the API would have to be killed within a second of its wait for a lock.
  for (const writer of ["record_orders", "withdraw"]) {
    await system.database.client.$executeRawUnsafe(
      `ALTER FUNCTION ${writer} SET lock_timeout = '${LOCK_TIMEOUT_MS}ms'`,
    )
  }
}

async function killApi(): Promise<void> {
  system.api.kill("SIGKILL")
  await system.api.exited
}

/** Sends a request of Anna's and resolves with the status, or with `NO_ANSWER`. */
async function post(
  url: string | undefined,
  path: string,
  body: string,
  headers: Record<string, string>,
): Promise<number | string> {
  const sent = fetch(`${url}${path}`, {
    method: "POST",
    headers: { authorization: anna.authorization, ...headers },
    body,
  })
  return sent.then(
    ({ status }) => status,
    () => NO_ANSWER,
  )
}

const upload = (url: string | undefined, number: string, headers = {}) =>
  post(url, "/api/user/orders", number, { "content-type": "text/plain", ...headers })

/** The order is final, credited once, and nothing is left open. */
async function expectCreditedOnce(number: string): Promise<void> {
  await expectAllSettledOnce(system, [number], SETTLED_WITHIN_MS)
  await expectOwnAccruals(system, [number])
  await system.database.expectNoneInTransaction()
}

const isThere = async (number: string) =>
  (await system.database.client.order.count({ where: { number } })) === 1

/** Whether the queue has the order's job. */
async function isQueued(number: string): Promise<boolean> {
  const queue = await openAccrualQueue(system.queueUrl, createLogger("tests", "silent"))
  try {
    return (await queue.getJob(`order-${number}`)) !== undefined
  } finally {
    await queue.close()
  }
}

describeOnBackends("the API killed during an upload", (backend) => {
  it("1: before the commit: the order is absent, the retry gets 202", async () => {
    await start(backend, 0)
    const { client, url } = system.database
    const number = newNumber()
    // Whatever is written before the accrual would be left behind, were it not one transaction.
    const lock = await holdTransaction(url, "LOCK TABLE accruals IN SHARE MODE")
    const answer = upload(system.apiUrl, number)
    await untilWaiting(client, "record_orders", "lock")
    await killApi()
    expect(await answer).toBe(NO_ANSWER)
    await untilGone(client, "record_orders")
    await lock.end("ROLLBACK")
    expect(await isThere(number)).toBe(false)

    const api = await system.addApi()
    await system.addWorker()
    expect(await upload(api.details["url"], number)).toBe(202)
    await expectCreditedOnce(number)
  })

  it("2: committed, not enqueued: requeue finds it, the retry gets 200, one credit", async () => {
    await start(backend, 0, await startOwnDatabase())
    const { client, url } = system.database
    const number = newNumber()
    const commits = await holdCommits(url)
    const answer = upload(system.apiUrl, number)
    await untilWaiting(client, "record_orders", "commit")
    await killApi()
    expect(await answer).toBe(NO_ANSWER)
    await commits.release()
    await eventually("the order is committed", () => isThere(number))
    expect(await isQueued(number)).toBe(false)

    const api = await system.addApi()
    await system.addWorker()
    expect(await upload(api.details["url"], number)).toBe(200)
    await expectCreditedOnce(number)
    expect(await system.logs()).toContain("requeued overdue orders")
  })

  it("3: enqueued, not answered: the retry gets 200, one credit", async () => {
    await start(backend, 0)
    const number = newNumber()
    // It asks to be answered when the order is final, and nobody works on that yet.
    const answer = upload(system.apiUrl, number, { prefer: "wait=60" })
    await eventually("the job is in the queue", () => isQueued(number))
    expect(await Promise.race([answer, sleep(0, "not answered")])).toBe("not answered")
    await killApi()
    expect(await answer).toBe(NO_ANSWER)
    expect(await isThere(number)).toBe(true)

    const api = await system.addApi()
    await system.addWorker()
    expect(await upload(api.details["url"], number)).toBe(200)
    await expectCreditedOnce(number)
  })
})

describe("the API killed during a withdrawal", () => {
  it("4: sent, not answered, sent again under its key: exactly one debit", async () => {
    await start("postgresql", 1, await startOwnDatabase())
    const { client, url } = system.database
    const earned = newNumber()
    await system.simulator.know(earned, 100)
    await anna.uploadAndWait(earned, 30)
    const paid = newNumber()
    const pay = (apiUrl: string | undefined, key: string) =>
      post(apiUrl, "/api/user/balance/withdraw", JSON.stringify({ order: paid, sum: 10 }), {
        "content-type": "application/json",
        "idempotency-key": key,
      })
    const debits = () => client.withdrawal.count()
    const second = await system.addApi()
    const third = await system.addApi()

    const balance = await holdTransaction(url, "SELECT FROM user_balances FOR UPDATE")
    const lost = pay(system.apiUrl, "not committed")
    await untilWaiting(client, "withdraw(", "lock")
    await killApi()
    expect(await lost).toBe(NO_ANSWER)
    await untilGone(client, "withdraw(")
    await balance.end("ROLLBACK")
    expect(await debits()).toBe(0)
    expect(await pay(second.details["url"], "not committed")).toBe(200)
    expect(await debits()).toBe(1)

    const commits = await holdCommits(url)
    const unanswered = pay(second.details["url"], "committed")
    await untilWaiting(client, "withdraw(", "commit")
    second.kill("SIGKILL")
    expect(await unanswered).toBe(NO_ANSWER)
    await commits.release()
    await eventually("the debit is committed", async () => (await debits()) === 2)
    expect(await pay(third.details["url"], "committed")).toBe(200)
    expect(await debits()).toBe(2)
    const row = await client.userBalance.findFirstOrThrow()
    expect([row.accrual.toFixed(2), row.withdrawal.toFixed(2)]).toEqual(["80.00", "20.00"])
    await expectAllSettledOnce(system, [earned], SETTLED_WITHIN_MS)
    await system.database.expectNoneInTransaction()
  })
})
