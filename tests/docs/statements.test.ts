import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { createDatabase, type TestDatabase } from "../harness/database.ts"
import {
  commandBlocksOf,
  currentDocuments,
  matches,
  operatorDocuments,
} from "../static/documents.ts"

describe("a statement that operators are told to run", () => {
  let database: TestDatabase
  beforeAll(async () => {
    database = await createDatabase()
  })
  afterAll(() => database.drop())

  const blocks = currentDocuments
    .flatMap(commandBlocksOf)
    .filter(({ runBy }) => runBy === "tests/docs/statements.test.ts")
  const statements = blocks.map(({ path, text }) => {
    const [, , statement] = /^ *psql "\$DATABASE_URL"(?: -x)? -c (["'])(.*)\1\n$/s.exec(text) ?? []
    return { path, text, statement }
  })
  const inline = operatorDocuments.flatMap(({ path, text }) =>
    matches(text, /`(SELECT [^`]*(?:pg_stat|FROM ledger_check)[^`]*)`/g).map((statement) => ({
      path,
      text: statement,
      statement,
    })),
  )

  it("is found", () => {
    expect(blocks.length).toBeGreaterThanOrEqual(6)
    expect(inline.length).toBeGreaterThanOrEqual(2)
  })

  it.each([...statements, ...inline])("can be run: $path $text", async ({ statement = "" }) => {
    expect(statement).not.toBe("")
    await expect(database.client.$executeRawUnsafe(statement)).resolves.toBeDefined()
  })
})
