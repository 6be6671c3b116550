import { expect } from "vitest"
import type { TestDatabase } from "./database.ts"

/** Every table with all of its rows, and which transaction wrote each. */
export async function tableSnapshot({ client }: TestDatabase): Promise<Map<string, string>> {
  const tables = await client.$queryRaw<{ name: string }[]>`
    SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables
     WHERE schemaname NOT IN ('pg_catalog', 'information_schema')`
  const rows = new Map<string, string>()
  for (const { name } of tables) {
    const [row] = await client.$queryRawUnsafe<{ told: string }[]>(
      `SELECT count(*) || ' ' || md5(coalesce(string_agg(t.xmin || ' ' || t.xmax || ' ' || t::text, E'\n' ORDER BY t.ctid), '')) AS told FROM ${name} t`,
    )
    rows.set(name, row?.told ?? "")
  }
  expect(rows.size).toBeGreaterThan(8)
  return rows
}
