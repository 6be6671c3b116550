import { type Database, sql } from "@gofermart/shared/db/client.ts"

/**
 * Reads one instant in microseconds since 1970; undefined for none. `source`: an expression or a
 * query in parentheses.
 */
export async function readInstant(
  client: Database,
  source: ReturnType<typeof sql>,
): Promise<number | undefined> {
  const [row] = await client.$queryRaw<[{ us: bigint | null }]>`
    SELECT (extract(epoch FROM ${source}) * 1000000)::bigint AS us`
  return row.us === null ? undefined : Number(row.us)
}

/** By the database's clock, in microseconds since 1970. */
export async function databaseNow(client: Database): Promise<number> {
  return (await readInstant(client, sql`clock_timestamp()`)) ?? 0
}
