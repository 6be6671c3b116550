import { cp, mkdtemp, readdir } from "node:fs/promises"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { fileURLToPath } from "node:url"
import { testDatabase, type TestDatabase } from "../harness/database.ts"
import { migrate } from "@gofermart/shared/migrate/migrate.ts"
import { expect, inject, it } from "vitest"
import { holdTransaction } from "../harness/commits.ts"
import { createEmptyDatabase } from "../harness/database.ts"
import { newLogin, newNumber } from "../harness/numbers.ts"

const migrationsFolder = fileURLToPath(new URL("../../prisma/migrations", import.meta.url))
/** What is newer keeps nobody waiting. What is older was published before that was asked of it. */
const LAST_WITH_A_WINDOW = "20261124091000_settled_at_index"
const ORDERS = 1_000_000
const USERS = 10_000
const READER_MS = 30_000
const STATEMENT_MAX_MS = 1_000
/** Most of it to make the orders, and for indexes that wait for the reader. */
const TEST_MAX_MS = 600_000

it(
  "53: migrations of a million orders, beside a reader of 30 s: no client's statement waits for a second",
  async () => {
    const names = (await readdir(migrationsFolder)).toSorted()
    const before = await mkdtemp(join(inject("folder"), "migrations-"))
    const isBefore = (name: string) => !/^\d/.test(name) || name <= LAST_WITH_A_WINDOW
    for (const name of names.filter(isBefore)) {
      await cp(join(migrationsFolder, name), join(before, name), { recursive: true })
    }
    const empty = await createEmptyDatabase()
    await migrate(empty.url, empty.url, () => {}, { folder: before })
    const test = testDatabase(empty.url, () => empty.drop())
    await fill(test)

    const reader = await holdTransaction(
      test.url,
      "SELECT (SELECT count(*) FROM users), (SELECT count(*) FROM user_balances), (SELECT count(*) FROM orders), (SELECT count(*) FROM accruals), (SELECT count(*) FROM withdrawals)",
    )
    const over = new AbortController()
    const clients = statementsOf(test).map((statement) => repeatedly(statement, over.signal))
    const reading = sleep(READER_MS).then(() => reader.end("COMMIT"))
    const told: unknown[] = []
    const tell = (_message: string, details: object) => void told.push(details)
    const applied = await migrate(test.url, test.url, tell)
    await reading
    over.abort()
    const longestMs = Math.max(...(await Promise.all(clients)).flat())
    await test.drop()

    const since = names.filter((name) => !isBefore(name))
    expect(since.length).toBeGreaterThan(0)
    expect(applied).toEqual(since)
    expect(told).not.toEqual([])
    expect(longestMs).toBeLessThanOrEqual(STATEMENT_MAX_MS)
  },
  TEST_MAX_MS,
)

/** As the tables are when a million orders have been settled, or wait. */
async function fill({ client }: TestDatabase): Promise<void> {
  await client.$executeRaw`
    INSERT INTO users (login, password)
    SELECT 'filled-' || i, '-' FROM generate_series(1, ${USERS}::int) AS i`
  await client.$executeRaw`INSERT INTO user_balances (user_id, accrual) SELECT id, 1000 FROM users`
  const CHUNKS = 10
  for (let chunk = 0; chunk < CHUNKS; chunk++) {
    await client.$executeRaw`
      WITH made AS (
        INSERT INTO orders (user_id, number, uploaded_at)
        SELECT (SELECT min(id) FROM users) + i % ${USERS}::int,
               (${chunk}::bigint * 100000000 + i)::text, now()
          FROM generate_series(1, ${ORDERS / CHUNKS}::int) AS i
        RETURNING id, user_id
      )
      INSERT INTO accruals
             (order_id, user_id, status, value, version, balance_after, requeue_at)
      SELECT id, user_id, CASE WHEN is_settled THEN 'PROCESSED'::accrual_status ELSE 'PROCESSING' END,
             CASE WHEN is_settled THEN 1 END, CASE WHEN is_settled THEN id END,
             CASE WHEN is_settled THEN 1 END, now()
        FROM (SELECT *, id % 10 <> 0 AS is_settled FROM made) m`
  }
  await client.$executeRaw`
    INSERT INTO withdrawals (order_id, user_id, value, version, balance_after)
    SELECT o.id, o.user_id, 1, o.id * 2 + 10000000, 1 FROM orders o WHERE o.id % 10 = 1`
}

/** What clients do all the time, each on its own: by names that a release before this one also has. */
function statementsOf({ client }: TestDatabase): (() => Promise<unknown>)[] {
  const user = client.$queryRaw<[{ id: bigint }]>`SELECT min(id) AS id FROM users`
  const userId = async () => (await user)[0].id
  return [
    () => client.$queryRaw`SELECT id, password FROM users WHERE login = 'filled-17'`,
    () => client.$executeRaw`INSERT INTO users (login, password) VALUES (${newLogin()}, '-')`,
    async () =>
      client.$queryRaw`SELECT accrual FROM user_balances WHERE user_id = ${await userId()}`,
    async () =>
      client.$queryRaw`
        SELECT * FROM record_orders(ARRAY[${await userId()}]::bigint[], ARRAY[${newNumber()}], 30000)`,
    () =>
      client.$queryRaw`
        SELECT * FROM settle_accruals(
          ARRAY(SELECT number FROM orders JOIN accruals ON order_id = id
                 WHERE status = 'PROCESSING' ORDER BY requeue_at LIMIT 1),
          ARRAY['PROCESSED'], ARRAY[100]::bigint[], 86400000)`,
    async () =>
      client.$queryRaw`
        SELECT withdraw(${await userId()}::bigint, ${newNumber()}, ${newNumber()}, 1, false)`,
    async () =>
      client.$queryRaw`
        SELECT number, status FROM orders JOIN accruals ON order_id = id
         WHERE orders.user_id = ${await userId()} ORDER BY uploaded_at DESC LIMIT 100`,
  ]
}

const PAUSE_MS = 20

/** Resolves with how long each statement took. */
async function repeatedly(statement: () => Promise<unknown>, over: AbortSignal): Promise<number[]> {
  const times: number[] = []
  while (!over.aborted) {
    const begun = performance.now()
    await statement()
    times.push(performance.now() - begun)
    await sleep(PAUSE_MS)
  }
  return times
}
