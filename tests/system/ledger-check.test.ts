import { setTimeout as sleep } from "node:timers/promises"
import { Client } from "pg"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { eventually } from "../harness/eventually.ts"
import { startSystem, type System } from "../harness/system.ts"

const USERS = 1_200
/** Of the three ranges that so many users make, the last one has this many. */
const USERS_IN_LAST_RANGE = 200

describe("the check of the ledger on a schedule", () => {
  let system: System
  beforeAll(async () => {
    const env = { LEDGER_CHECK_INTERVAL: "1ms" }
    system = await startSystem({ backend: "postgresql", workers: 0, env })
    await system.database.client.$executeRaw`
      WITH made AS (
        INSERT INTO users (login, password)
        SELECT 'user-' || lpad(i::text, 4, '0'), '-' FROM generate_series(1, ${USERS}::int) AS i
        RETURNING id
      )
      INSERT INTO user_balances (user_id) SELECT id FROM made`
  })
  afterAll(() => system.close())

  const check = () => system.database.client.ledgerCheck.findFirstOrThrow()
  const roundAfter = (what: string, begun: Date) =>
    eventually(what, async () => {
      const found = await check()
      return (found.lastEndedAt ?? begun) > begun ? found : undefined
    })

  it("goes through all users, whichever worker checks which of them", async () => {
    await system.addWorker()
    await system.addWorker()
    const round = await roundAfter("a whole round", new Date(0))
    expect(round).toMatchObject({ lastUsers: USERS, lastDiscrepancies: 0 })
  })

  it("goes on where a worker died, once that one's lease is over", async () => {
    const { client } = system.database
    await Promise.all(system.workers.map((worker) => worker.stop()))
    const last = await client.user.findMany({
      orderBy: { id: "desc" },
      skip: USERS_IN_LAST_RANGE,
      take: 1,
    })
    const held = new Date(Date.now() + 60_000)
    const afterUserId = last[0]?.id ?? 0n
    await client.ledgerCheck.updateMany({ data: { afterUserId, users: 1_000, dueAt: held } })
    await system.addWorker()
    // It looks every five seconds.
    await sleep(6_000)
    expect(await check()).toMatchObject({ afterUserId, users: 1_000 })
    const begun = new Date()
    await client.ledgerCheck.updateMany({ data: { dueAt: begun } })
    expect(await roundAfter("the rest of the round", begun)).toMatchObject({ lastUsers: USERS })
  })

  it("takes fewer users at a time when the database does not get through with so many", async () => {
    const before = await roundAfter("a round that is sound", new Date())
    expect(before.lastUsers).toBe(USERS)
    const { client } = system.database
    const holder = new Client({ connectionString: system.database.url })
    await holder.connect()
    await holder.query("BEGIN; LOCK TABLE user_balances IN ACCESS EXCLUSIVE MODE")
    await eventually("it has begun again with fewer", async () => {
      const waiting = await client.$queryRaw<unknown[]>`
        SELECT FROM pg_stat_activity
         WHERE query LIKE '%WITH page AS%' AND wait_event_type = 'Lock'
           AND application_name = 'gofermart-accrual-worker'
           AND xact_start > (SELECT due_at - interval '50 seconds' FROM ledger_check)`
      return waiting.length > 0
    })
    const { afterUserId, users } = await check()
    await holder.query("COMMIT")
    await holder.end()
    const after = await eventually("the range", async () => {
      const now = await check()
      return now.afterUserId !== afterUserId ? now : undefined
    })
    expect(after.users - users).toBeLessThan(100)
  })
})
