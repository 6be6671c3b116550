import { glob, readdir, readFile } from "node:fs/promises"
import { sql } from "@gofermart/shared/db/client.ts"
import { atUs, showInstant, usOf } from "@gofermart/shared/db/instants.ts"
import { withSchemaEngine } from "@gofermart/shared/migrate/schema-engine.ts"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { createDatabase, type TestDatabase } from "../harness/database.ts"
import { readInstant } from "../harness/instants.ts"

const repository = new URL("../../", import.meta.url)
const prisma = new URL("prisma/", repository)
/** What has statements in it. */
const SOURCES = [
  "{packages,services}/*/src/**/*.ts",
  "benchmarks/**/*.ts",
  "prisma/migrations/*/*.sql",
]

describe("an instant, between us and the database", () => {
  let test: TestDatabase
  beforeAll(async () => {
    test = await createDatabase()
  })
  afterAll(() => test.drop())

  // As it was at any time, whatever the zone's offset is or was.
  it.each([0n, 1n, 951_782_400_123_456n, 1_795_893_123_456_789n, 9_007_199_254_740_991n])(
    "comes back as it went: %s",
    async (us) => {
      expect(await readInstant(test.client, sql`${atUs(us)}`)).toBe(Number(us))
    },
  )

  it.each([
    ["infinity", 253_402_300_799_000_000n],
    ["294276-12-31 23:59:59Z", 253_402_300_799_000_000n],
    ["1969-12-31 23:59:59.999999Z", -1n],
    ["4713-01-01 00:00:00Z BC", -62_135_596_800_000_000n],
    ["-infinity", -62_135_596_800_000_000n],
    [null, null],
  ])("is read, whatever it is: %s", async (instant, us) => {
    const [read] = await test.client.$queryRaw<[{ us: bigint | null }]>`
      SELECT ${usOf(sql`at`)} AS us FROM (SELECT ${instant}::text::timestamptz AS at) AS given`
    expect(read.us).toBe(us)
    if (read.us !== null) expect(showInstant(read.us)).toMatch(/^\d{4}-/)
  })

  it("is refused as a Date, by the types and by the client", async () => {
    const date = new Date()
    // @ts-expect-error a Date is no value of a statement
    const sent = test.client.$queryRaw`SELECT ${date}::timestamptz < now() AS passed`
    await expect(sent).rejects.toThrow("an instant goes to the database as a number")
    // @ts-expect-error nor in a list
    const listed = test.client.$executeRaw`SELECT ${[date]}::timestamptz[]`
    await expect(listed).rejects.toThrow("an instant goes to the database as a number")
    // @ts-expect-error nor in a part of one
    const part = sql`${date}`
    const parts = test.client.$queryRaw`SELECT ${part}::timestamptz < now() AS passed`
    await expect(parts).rejects.toThrow("an instant goes to the database as a number")
  })

  it.each([
    "now()",
    "now()::timestamp",
    "now()::date",
    "now()::time",
    "ARRAY[now()]",
    "now() - interval '1 day'",
  ])("is refused as what PostgreSQL makes of it: %s", async (expression) => {
    const refused = "from the database as a date: it must be a number"
    const read = test.client.$queryRawUnsafe(`SELECT 1 AS one, ${expression} AS at`)
    await expect(read).rejects.toThrow(`"at" comes ${refused}`)
    const inTransaction = test.client.$transaction((transaction) =>
      transaction.$queryRawUnsafe(`SELECT ${expression} AS at`),
    )
    await expect(inTransaction).rejects.toThrow(refused)
  })

  it("is no field of the typed client, nor does that ask for a migration", async () => {
    const schema = await readFile(new URL("schema.prisma", prisma), "utf8")
    expect(schema).not.toMatch(/\bDateTime\b/)
    const entries = await readdir(new URL("migrations/", prisma), { withFileTypes: true })
    const folders = entries.filter((entry) => entry.isDirectory()).map(({ name }) => name)
    const last = folders.toSorted().at(-1) ?? ""
    const kept = await readFile(new URL(`migrations/${last}/schema.prisma`, prisma), "utf8")
    const model = (content: string) => ({
      tag: "schemaDatamodel" as const,
      files: [{ path: "schema.prisma", content }],
    })
    const { stdout } = await withSchemaEngine(test.url, (engine) =>
      engine.diff({
        from: model(kept),
        to: model(schema),
        script: true,
        exitCode: true,
        filters: { externalTables: [], externalEnums: [] },
      }),
    )
    expect(stdout).toMatch(/^(-- This is an empty migration\.)?\s*$/)
  })

  it("is made a text by no statement", async () => {
    const columns = await instantColumns()
    expect(columns).toContain("tokens_valid_from")
    const found: string[] = []
    for await (const file of glob(SOURCES, { cwd: repository })) {
      if (/generated|node_modules|\.test\.ts$/.test(file)) continue
      const text = await readFile(new URL(file, repository), "utf8")
      for (const told of textsOfInstants(text, columns)) found.push(`${file}: ${told}`)
    }
    expect(found).toEqual([])
  })

  it.each([
    "a.updated_at::text",
    "concat(o.number, a.status, o.uploaded_at)",
    "md5(format('%s', (SELECT max(created_at) FROM orders)))",
    "json_build_object('at', (extract(epoch FROM created_at) * 1000)::int8, 'of', updated_at)",
    "to_char(created_at AT TIME ZONE 'UTC', 'YYYY')",
    "number || ' ' || uploaded_at",
  ])("is found as a text: %s", async (statement) => {
    expect(textsOfInstants(statement, await instantColumns())).toHaveLength(1)
  })
})

async function instantColumns(): Promise<string[]> {
  const schema = await readFile(new URL("schema.prisma", prisma), "utf8")
  return [...schema.matchAll(/Unsupported\("timestamptz.*@map\("(\w+)"\)/g)].map(
    ([, name = ""]) => name,
  )
}

/** Where SQL makes a text of one of the columns: by a cast, by joining, or by a function. */
function textsOfInstants(text: string, columns: string[]): string[] {
  const numbers = /extract\(epoch FROM [\w.]+\)/g
  const column = String.raw`\b(?:${columns.join("|")})\b`
  const statement = text.replaceAll(numbers, "0")
  const cast = new RegExp(
    String.raw`${column}\s*::\s*(?:text|varchar)|\|\|\s*[\w.]*${column}|${column}\s*\|\|`,
    "g",
  )
  const called = [...statement.matchAll(TEXT_FUNCTION)].map(({ index }) =>
    argumentsAt(statement, index),
  )
  const inCalls = called.filter((given) => new RegExp(column).test(given))
  return [...(statement.match(cast) ?? []), ...inCalls.slice(0, 1)]
}

const TEXT_FUNCTION =
  /\b(?:to_char|concat|concat_ws|format|md5|hashtext\w*|jsonb?_agg|jsonb?_build_\w+|to_jsonb?|row_to_json)\(/g

/** From the name of a function to the parenthesis that ends its arguments. */
function argumentsAt(text: string, index: number): string {
  let depth = 0
  for (let end = text.indexOf("(", index); end < text.length; end++) {
    if (text[end] === "(") depth += 1
    else if (text[end] === ")") depth -= 1
    if (depth === 0) return text.slice(index, end + 1)
  }
  return text.slice(index)
}
