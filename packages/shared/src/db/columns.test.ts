import { expect, it } from "vitest"
import { sql } from "./client.ts"
import { select, unionAll } from "./columns.ts"

it("a selection names each column as its field, by the fields' names", () => {
  const { sql: text, values } = select<{ version: bigint; atUs: bigint }>({
    version: sql`a.version`,
    atUs: sql`a.at + ${5}`,
  })
  expect(text).toBe('a.at + ? AS "atUs",a.version AS "version"')
  expect(values).toEqual([5])
})

it("selections are put together in the order in which they are given", () => {
  expect(unionAll([sql`(SELECT 1)`, sql`(SELECT 2)`]).sql).toBe("(SELECT 1) UNION ALL (SELECT 2)")
})
