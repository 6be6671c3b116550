import { Client } from "pg"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { eventually } from "../harness/eventually.ts"
import { startSystem, type System } from "../harness/system.ts"
import { type Database, sql } from "@gofermart/shared/db/client.ts"
import { databaseNow, readInstant } from "../harness/instants.ts"

const USERS = 1_200
/** Of the three ranges that so many users make, the last one has this many. */
const USERS_IN_LAST_RANGE = 200
/** Of a range that a worker has taken. */
const LEASE_MS = 60_000
/** Less than a worker's own, which is 10 s. */
const STATEMENT_TIMEOUT_MS = 3_000

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
  const roundAfter = (what: string, begunUs: number) =>
    eventually(what, async () => {
      const { client } = system.database
      const endedAtUs = await readInstant(client, sql`(SELECT last_ended_at FROM ledger_check)`)
      return (endedAtUs ?? begunUs) > begunUs ? check() : undefined
    })

  it("goes through all users, whichever worker checks which of them", async () => {
    await system.addWorker()
    await system.addWorker()
    const round = await roundAfter("a whole round", 0)
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
    const afterUserId = last[0]?.id ?? 0n
    await client.$executeRaw`
      UPDATE ledger_check SET after_user_id = ${afterUserId}, users = 1000,
             due_at = clock_timestamp() + interval '1 minute'`
    const dueAt = () => readInstant(client, sql`(SELECT due_at FROM ledger_check)`)
    const leaseEnd = await dueAt()
    const isUpdated = await watchUpdates(client)
    await system.addWorker()
    await eventually("it has tried to take a range", isUpdated)
    expect(await dueAt()).toBe(leaseEnd)
    expect(await check()).toMatchObject({ afterUserId, users: 1_000 })
    const begun = await databaseNow(client)
    await client.$executeRaw`UPDATE ledger_check SET due_at = clock_timestamp()`
    expect(await roundAfter("the rest of the round", begun)).toMatchObject({ lastUsers: USERS })
  })

  it("takes fewer users at a time when the database does not get through with so many", async () => {
    await Promise.all(system.workers.map((worker) => worker.stop()))
    const url = new URL(system.database.url)
    url.searchParams.set("statement_timeout", `${STATEMENT_TIMEOUT_MS}`)
    await system.addWorker({ DATABASE_URL: url.href })
    const before = await roundAfter(
      "a round that is sound",
      await databaseNow(system.database.client),
    )
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
           AND xact_start > (SELECT due_at FROM ledger_check)
                            - ${LEASE_MS - STATEMENT_TIMEOUT_MS}::int * interval '1 millisecond'`
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

/** Tells whether the check's row has been updated since now, even if that changed nothing. */
async function watchUpdates(client: Database): Promise<() => Promise<boolean>> {
  await client.$executeRaw`CREATE TABLE updates ()`
  await client.$executeRaw`
    CREATE FUNCTION note_update() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      INSERT INTO public.updates DEFAULT VALUES;
      RETURN NULL;
    END $$`
  await client.$executeRaw`
    CREATE TRIGGER note_update AFTER UPDATE ON ledger_check
      FOR EACH STATEMENT EXECUTE FUNCTION note_update()`
  return async () => (await client.$queryRaw<unknown[]>`SELECT FROM updates LIMIT 1`).length > 0
}
