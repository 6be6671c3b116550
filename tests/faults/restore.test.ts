import { rm } from "node:fs/promises"
import { setTimeout as sleep } from "node:timers/promises"
import type { Customer } from "@gofermart/local-stack/customer.ts"
import type { Database } from "@gofermart/shared/db/client.ts"
import { migrate } from "@gofermart/shared/migrate/migrate.ts"
import { afterEach, expect, it } from "vitest"
import { compare } from "./compare.ts"
import { Traffic } from "./traffic.ts"
import { describeOnBackends } from "../harness/backends.ts"
import { startOwnDatabase, type TestDatabase } from "../harness/database.ts"
import { eventually } from "../harness/eventually.ts"
import { newNumbers } from "../harness/numbers.ts"
import { startSystem, type System } from "../harness/system.ts"
import { restoreBackup, startBackup } from "./backup.ts"
import { newKey } from "./keys.ts"

/** Requeue's longest lease in these tests is 5 s, the backoff starts at 1 s; and 30 s. */
const SETTLED_WITHIN_MS = 36_000
const CUSTOMERS = 4
const REST_MS = 10
const LOAD_MS = 2_000
describeOnBackends("A backup taken under load", (backend) => {
  let lost: System | undefined
  let copy: TestDatabase | undefined
  let restored: System | undefined
  afterEach(async () => {
    await lost?.close()
    await (restored?.close() ?? copy?.drop())
  })

  it("restored, with an empty queue: it has all up to its end, which settles once", async () => {
    const database = await startOwnDatabase()
    const system = await startSystem({ backend, workers: 2, database })
    lost = system
    // Each order is polled twice, a second apart: some are always in between.
    await system.simulator.behave({ autoRegister: true, pendingAnswers: 1 })
    const customers = await Promise.all(Array.from({ length: CUSTOMERS }, () => system.register()))
    const traffic = Traffic.begin(customers, REST_MS)
    await sleep(LOAD_MS)
    const backup = await startBackup(database.url)
    await sleep(LOAD_MS)
    // From here on the copied files are older than what a recovery without the backup's label reads.
    await database.client.$executeRaw`CHECKPOINT`
    const uploads = new Map(traffic.uploads)
    const withdrawals = new Map(traffic.withdrawals)
    expect(withdrawals.size).toBeGreaterThan(0)
    await backup.end()
    const late = await system.register()
    const lateNumbers = newNumbers(20)
    for (const number of lateNumbers) expect(await late.upload(number)).toBe(202)
    await traffic.stop()
    await system.close()
    lost = undefined

    copy = await restoreBackup(backup, database.url)
    const { client } = copy
    await rm(backup.folder, { recursive: true })
    // The queue in the database comes with it; the migration makes a new one.
    await client.$executeRaw`DROP SCHEMA IF EXISTS bullmq CASCADE`
    await migrate(copy.url)
    expect(await countUnfinished(client)).toBeGreaterThan(0)
    // Who ended the tokens after the backup has them back, and not alone: a new key ends all.
    const apiEnv = { AUTH_KEYS: newKey("restored") }
    restored = await startSystem({ backend, workers: 2, database: copy, apiEnv })
    await restored.simulator.behave({ autoRegister: true })
    const isAllSettled = async () => (await countUnfinished(client)) === 0
    await eventually("all orders are final", isAllSettled, SETTLED_WITHIN_MS)

    const { attempted } = traffic
    const comparison = await compare(client, { uploads, withdrawals, attempted })
    expect(comparison).toEqual({ lost: [], twice: [], waiting: [], unexplained: [] })
    expect(await client.order.count({ where: { number: { in: lateNumbers } } })).toBe(0)
    const { apiUrl } = restored
    const everybody = [...customers, late]
    const reads = await Promise.all(everybody.map((customer) => readBalance(apiUrl, customer)))
    expect(new Set(reads)).toEqual(new Set([401]))
    const logins = await Promise.all(everybody.map(({ login }) => logIn(apiUrl, login)))
    expect(logins).toEqual([200, 200, 200, 200, 401])
  })
})

function countUnfinished(client: Database): Promise<number> {
  return client.accrual.count({ where: { status: "PROCESSING" } })
}

/** Resolves with the status, for a token that an API on the lost database has given. */
async function readBalance(apiUrl: string, { authorization }: Customer): Promise<number> {
  const response = await fetch(`${apiUrl}/api/user/balance`, { headers: { authorization } })
  return response.status
}

/** Resolves with the status, for the password that a customer has registered with. */
async function logIn(apiUrl: string, login: string): Promise<number> {
  const body = JSON.stringify({ login, password: `the password of ${login}` })
  const headers = { "content-type": "application/json" }
  const response = await fetch(`${apiUrl}/api/user/login`, { method: "POST", headers, body })
  return response.status
}
