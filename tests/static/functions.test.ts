import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { RECORD_OUTCOMES } from "@gofermart/shared/ledger/record-orders.ts"
import { SETTLE_OUTCOMES } from "@gofermart/shared/ledger/settle-accruals.ts"
import { WITHDRAW_OUTCOMES } from "@gofermart/shared/ledger/withdraw.ts"
import { describe, expect, it } from "vitest"
import { definitionOf, newestMigration } from "../mutations/mutation.ts"
import { matches, repository } from "./documents.ts"

const folder = "prisma/functions"
const names = readdirSync(join(repository, folder))
  .filter((file) => file.endsWith(".sql"))
  .map((file) => file.slice(0, -".sql".length))

/** As one may write it in several ways: created or replaced, and VOLATILE said or not, as the default is. */
const textOf = (path: string, name: string) =>
  definitionOf(read(path), name)
    .replaceAll(/\s+/g, " ")
    .replace("CREATE OR REPLACE ", "CREATE ")
    .replace(" VOLATILE", "")
const read = (path: string) => readFileSync(join(repository, path), "utf8")

/** The outcomes that a function returns, as its body has them. */
function outcomesOf(name: string): string[] {
  const body = read(`${folder}/${name}.sql`).replaceAll(/--.*/g, "")
  const returned = body.match(/\bRETURN\b[^;]*;/g) ?? []
  const outcomes = matches(returned.join(""), /\b(?:RETURN|SELECT|THEN|ELSE)\s+'(\w+)'/g)
  return [...new Set(outcomes)].toSorted()
}

/** What the caller of each function with outcomes knows of them. */
const KNOWN: Record<string, readonly string[]> = {
  record_orders: RECORD_OUTCOMES,
  settle_accruals: SETTLE_OUTCOMES,
  withdraw: WITHDRAW_OUTCOMES,
}

describe.each(names)("prisma/functions/%s.sql", (name) => {
  // `system ledger/functions` compares all of it, as PostgreSQL reads both.
  it("is what the newest migration has: otherwise run migration:new", async () => {
    const path = await newestMigration(repository, name)
    expect(textOf(path, name)).toBe(textOf(`${folder}/${name}.sql`, name))
  })

  it("returns the outcomes that its caller knows, and no other", () => {
    expect(outcomesOf(name)).toEqual((KNOWN[name] ?? []).toSorted())
  })
})
