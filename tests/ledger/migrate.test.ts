import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { openDatabase } from "@gofermart/shared/db/client.ts"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { createEmptyDatabase } from "../harness/database.ts"

const run = promisify(execFile)
const program = fileURLToPath(
  new URL("../../packages/shared/src/db/migrate-main.ts", import.meta.url),
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
})
