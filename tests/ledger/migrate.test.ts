import { execFile } from "node:child_process"
import { readFile } from "node:fs/promises"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { openDatabase } from "@gofermart/shared/db/client.ts"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { createDatabase, createEmptyDatabase } from "../harness/database.ts"
import { createUser } from "../harness/ledger.ts"
import { newNumber } from "../harness/numbers.ts"

const run = promisify(execFile)
const program = fileURLToPath(
  new URL("../../packages/shared/src/db/migrate-main.ts", import.meta.url),
)
const firstMigration = new URL(
  "../../prisma/migrations/20261122000000_ledger/migration.sql",
  import.meta.url,
)
const PROCESSES = 3

describe("migrating", () => {
  let empty: Awaited<ReturnType<typeof createEmptyDatabase>>
  beforeAll(async () => {
    empty = await createEmptyDatabase()
  })
  afterAll(() => empty.drop())

  const migrate = async () => {
    const { stdout } = await run(process.execPath, [program], {
      env: { PATH: process.env["PATH"], DATABASE_URL: empty.url },
    })
    return (JSON.parse(stdout) as { applied: string[] }).applied
  }

  it("applies each migration once when several processes start on an empty database", async () => {
    const applied = (await Promise.all(Array.from({ length: PROCESSES }, migrate))).flat()
    expect(applied).toEqual([...new Set(applied)])
    expect(applied).toContain("20261122000000_ledger")
    expect(await migrate()).toEqual([])
  })

  it("leaves the table that `prisma migrate deploy` reads", async () => {
    const database = openDatabase(empty.url, "tests", {
      connectionsMax: 1,
      connectTimeoutMs: 5_000,
      statementTimeoutMs: 5_000,
    })
    const rows = await database.$queryRaw<{ migration_name: string; finished: boolean }[]>`
      SELECT migration_name, finished_at IS NOT NULL AS finished FROM _prisma_migrations`
    await database.$disconnect()
    expect(rows.length).toBeGreaterThan(0)
    expect(rows.every(({ finished }) => finished)).toBe(true)
  })

  it("lets a call of the functions as they were before, which it overtook, come through", async () => {
    const database = await createDatabase()
    const before = await readFile(firstMigration, "utf8")
    const [old = ""] = /CREATE FUNCTION record_orders[^]*?\n\$\$;/.exec(before) ?? []
    await database.client.$executeRawUnsafe(old.replace("record_orders", "record_orders_before"))
    const userId = await createUser(database.client)
    const number = newNumber()
    await database.client.$queryRaw`
      SELECT * FROM record_orders_before(ARRAY[${userId}]::bigint[], ARRAY[${number}], 1000)`
    const order = await database.client.order.findUniqueOrThrow({
      where: { number },
      include: { accrual: true },
    })
    expect(order.accrual).toMatchObject({ userId, status: "PROCESSING" })
    await database.drop()
  })
})
