import { cp, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises"
import { basename, join } from "node:path"
import { fileURLToPath } from "node:url"
import { compareFunctions, type FunctionDifference } from "@gofermart/local-stack/sql-functions.ts"
import { writeMigration } from "@gofermart/local-stack/write-migration.ts"
import { migrate } from "@gofermart/shared/migrate/migrate.ts"
import { Client } from "pg"
import { afterAll, beforeAll, beforeEach, describe, expect, inject, it } from "vitest"
import { createDatabase, type TestDatabase } from "../harness/database.ts"

const prisma = fileURLToPath(new URL("../../prisma", import.meta.url))

let test: TestDatabase
let client: Client
beforeAll(async () => {
  test = await createDatabase()
  client = new Client({ connectionString: test.url })
  await client.connect()
})
afterAll(async () => {
  await client.end()
  await test.drop()
})

/** A copy of `prisma/` in which a test may change files. */
let copy: string
beforeEach(async () => {
  copy = await mkdtemp(join(inject("folder"), "prisma-"))
  await cp(prisma, copy, { recursive: true })
})

const fileOf = (name: string) => join(copy, "functions", `${name}.sql`)

async function edit(name: string, replace: string | RegExp, by: string): Promise<void> {
  const before = await readFile(fileOf(name), "utf8")
  const after = before.replace(replace, by)
  expect(after).not.toBe(before)
  await writeFile(fileOf(name), after)
}

/** What is wrong, in words for whoever changed a file or wrote a migration. */
async function complaints(on: Client, folder = join(copy, "functions")): Promise<string[]> {
  return (await compareFunctions(on, folder)).map(describeDifference)
}

function describeDifference(difference: FunctionDifference): string {
  switch (difference.kind) {
    case "changed":
      return `prisma/functions/${difference.file.name}.sql differs from what the migrations leave: run migration:new`
    case "added":
      return `prisma/functions/${difference.file.name}.sql creates ${callOf(difference.created)}, which no migration leaves: run migration:new`
    case "removed":
      return `the migrations leave ${callOf(difference.left)}, which no file in prisma/functions creates`
  }
}

function callOf({ signature, result }: { signature: string; result: string }): string {
  return `${signature} returning ${result}`
}

describe("prisma/functions", () => {
  it("is what the migrations leave", async () => {
    expect(await complaints(client, join(prisma, "functions"))).toEqual([])
  })

  it.each([
    ["the source", "RETURN 'withdrawn';", "RETURN 'done';"],
    ["a comment in the source", "-- Somebody's upload", "-- An upload"],
    ["the volatility", "VOLATILE", "STABLE"],
    ["the strictness", "VOLATILE", "VOLATILE STRICT"],
    ["whose rights it has", "VOLATILE", "VOLATILE SECURITY DEFINER"],
    ["the parallel safety", "VOLATILE", "VOLATILE PARALLEL SAFE"],
    ["the value of a setting", "SET lock_timeout = '1s'", "SET lock_timeout = '2s'"],
    ["a setting left out", "SET enable_seqscan = off\n", ""],
    ["an argument's default", "p_owned_only boolean)", "p_owned_only boolean DEFAULT false)"],
  ])("is compared in %s", async (_what, replace, by) => {
    await edit("withdraw", replace, by)
    expect(await complaints(client)).toEqual([
      "prisma/functions/withdraw.sql differs from what the migrations leave: run migration:new",
    ])
  })

  it.each([
    ["an argument", "p_owned_only boolean)", "p_owned_only boolean, p_note text)"],
    ["an argument's name", "p_owned_only boolean)", "p_is_owned_only boolean)"],
    ["an argument's type", "p_hundredths bigint", "p_hundredths numeric"],
    ["the result", "RETURNS text", "RETURNS SETOF text"],
  ])("has another function in the file when %s is changed", async (_what, replace, by) => {
    await edit("withdraw", replace, by)
    const told = await complaints(client)
    expect(told).toEqual([
      expect.stringMatching(
        /^prisma\/functions\/withdraw\.sql creates withdraw\(.*\) returning .*text, which no migration leaves: run/,
      ),
      "the migrations leave withdraw(p_user_id bigint, p_key text, p_number text, p_hundredths bigint, p_owned_only boolean) returning text, which no file in prisma/functions creates",
    ])
  })

  it("has a file for every function, that of a trigger included", async () => {
    await rm(fileOf("name_accruals_user"))
    expect(await complaints(client)).toEqual([
      "the migrations leave name_accruals_user() returning trigger, which no file in prisma/functions creates",
    ])
  })

  it("may say the rest in other words: what counts is how PostgreSQL reads it", async () => {
    await edit("withdraw", /^/, "-- It spends points.\n")
    await edit("withdraw", "LANGUAGE plpgsql VOLATILE\n", "LANGUAGE plpgsql\n")
    expect(await complaints(client)).toEqual([])
  })

  it.each([
    [
      "two of one name",
      /$/,
      "CREATE FUNCTION withdraw(bigint) RETURNS void LANGUAGE sql AS '';",
      /withdraw\.sql must create one function/,
    ],
    ["nothing", /[^]*/, "", /^prisma\/functions\/withdraw\.sql must create one function/],
    ["another name", "FUNCTION withdraw(", "FUNCTION spend(", /: put it into .*\/spend\.sql\.$/],
    [
      "two",
      /$/,
      "CREATE FUNCTION spend() RETURNS void LANGUAGE sql AS '';",
      /has the name of spend\(\), which .*: put it into prisma\/functions\/spend\.sql\.$/,
    ],
    ["an error", "RETURNS text", "RETURNS txt", /^prisma\/functions\/withdraw\.sql: .*"txt"/],
  ])("is refused when a file creates %s", async (_what, replace, by, message) => {
    await edit("withdraw", replace, by)
    await expect(complaints(client)).rejects.toThrow(message)
    // The connection is as it was.
    expect(await complaints(client, join(prisma, "functions"))).toEqual([])
  })
})

describe("migration:new", () => {
  /** On a database that has the migrations already, which takes less time than an empty one. */
  const runNewMigration = async () => writeMigration(copy, "try", (await createDatabase()).url)

  const addModel = async () => {
    const file = join(copy, "schema.prisma")
    const model = `\nmodel Note {\n  id Int @id\n  @@map("notes")\n}\n`
    await writeFile(file, (await readFile(file, "utf8")) + model)
  }

  it("copies what changed of the functions, word for word, and nothing else", async () => {
    await edit("withdraw", "RETURN 'withdrawn';", "RETURN 'withdrawn'; -- Done.")
    const folder = await runNewMigration()
    expect(folder).toMatch(/\/migrations\/\d{14}_try$/)
    const script = await readFile(join(folder ?? "", "migration.sql"), "utf8")
    const text = await readFile(fileOf("withdraw"), "utf8")
    expect(script).toBe(`-- From prisma/functions/withdraw.sql\n${text}`)
    const schema = (path: string) => readFile(join(path, "schema.prisma"), "utf8")
    expect(await schema(folder ?? "")).toBe(await schema(copy))
  })

  it("leaves no difference: a new table and a function of it, a function without a file", async () => {
    await addModel()
    await writeFile(
      fileOf("first_note"),
      "CREATE OR REPLACE FUNCTION first_note() RETURNS notes LANGUAGE sql AS 'SELECT * FROM notes';\n",
    )
    const [before, migrated] = [await createDatabase(), await createDatabase()]
    for (const { client: own } of [before, migrated]) {
      await own.$executeRaw`CREATE FUNCTION leftover() RETURNS void LANGUAGE sql AS ''`
    }
    const folder = (await writeMigration(copy, "try", before.url)) ?? ""
    const applied = await migrate(migrated.url, migrated.url, () => {}, {
      folder: join(copy, "migrations"),
    })
    expect(applied).toEqual([basename(folder)])
    const own = new Client({ connectionString: migrated.url })
    await own.connect()
    expect(await complaints(own)).toEqual([])
    const { rows } = await own.query(
      "SELECT to_regproc('leftover') AS old, to_regproc('first_note') AS new",
    )
    expect(rows).toEqual([{ old: null, new: "first_note" }])
    await own.end()
  })

  it("says that nothing changed, also where prose did", async () => {
    await edit("withdraw", /^/, "-- It spends points.\n")
    const before = await readdir(join(copy, "migrations"))
    expect(await runNewMigration()).toBeUndefined()
    expect(await readdir(join(copy, "migrations"))).toEqual(before)
  })

  it("refuses to change what a function takes or returns, which others call", async () => {
    await edit("withdraw", "RETURNS text", "RETURNS SETOF text")
    const before = await readdir(join(copy, "migrations"))
    await expect(runNewMigration()).rejects.toThrow(
      /^prisma\/functions\/withdraw\.sql changes the arguments or the result of withdraw, .*under a new name\.$/,
    )
    expect(await readdir(join(copy, "migrations"))).toEqual(before)
  })
})
