import { connectionBy } from "@gofermart/shared/db/connection.ts"
import { openPool } from "@gofermart/shared/db/pool.ts"
import { expect, it } from "vitest"
import { atEndOrBefore } from "../../harness/at-end.ts"
import { holdCommits } from "../../harness/commits.ts"
import { eventually } from "../../harness/eventually.ts"
import { openMovingAddress } from "../../harness/moving-address.ts"
import { startPostgresPair } from "../../harness/postgres-pair.ts"

const PLACES = 2
const TIMEOUT_MS = 500

/** A pool on an address, and commits of its server that nobody confirms: its places are all taken. */
async function startTaken() {
  const { servers, database } = await startPostgresPair()
  const [primary, standby] = servers
  const address = await openMovingAddress(primary.ownUrl)
  atEndOrBefore(() => address.close())
  const pool = openPool({
    ...connectionBy(address.url),
    application_name: "places",
    max: PLACES,
    connectionTimeoutMillis: TIMEOUT_MS,
    query_timeout: TIMEOUT_MS,
  })
  atEndOrBefore(() => (pool.ending ? Promise.resolve() : pool.end()))
  const commits = await holdCommits(primary.ownUrl)
  const write = () => pool.query("SELECT pg_logical_emit_message(true, 'a', 'b')")
  for (let i = 0; i < PLACES; i++) await expect(write()).rejects.toThrow("Query read timeout")
  const expectTaken = () =>
    expect(pool.query("SELECT 1")).rejects.toThrow("timeout exceeded when trying to connect")
  const works = () =>
    pool.query("SELECT 1").then(
      () => true,
      () => false,
    )
  const countBackends = async () => {
    const rows = await database.client.$queryRaw<unknown[]>`
      SELECT FROM pg_stat_activity WHERE application_name = 'places'`
    return rows.length
  }
  return { standby, address, pool, commits, expectTaken, works, countBackends }
}

it("a place whose statement was given up stays taken until it is answered", async () => {
  const { commits, expectTaken, works, countBackends } = await startTaken()
  await expectTaken()
  expect(await countBackends()).toBe(PLACES)
  // Longer than until the database was asked what has become of them.
  await expect(eventually("a place is free", works, 8_000)).rejects.toThrow("a place is free")
  expect(await countBackends()).toBe(PLACES)
  await commits.release()
  await eventually("the places are free", works)
})

it("its places are free when its address leads to another server", async () => {
  const { address, standby, expectTaken, works, commits } = await startTaken()
  await expectTaken()
  address.moveTo(standby.ownUrl)
  await eventually("the places are free", works)
  await commits.release()
})

it("can be closed while they are taken", async () => {
  const { pool, commits } = await startTaken()
  await pool.end()
  expect(pool.ended).toBe(true)
  await commits.release()
})
