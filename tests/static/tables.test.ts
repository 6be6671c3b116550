import { readFileSync } from "node:fs"
import { TABLES } from "@gofermart/shared/db/needed-rights.ts"
import { expect, it } from "vitest"

it("a service asks at its start for the right to read every table of prisma/schema.prisma", () => {
  const schema = readFileSync(new URL("../../prisma/schema.prisma", import.meta.url), "utf8")
  const models = schema.split(/^model /m).slice(1)
  const names = models.map((model) => /@@map\("(\w+)"\)/.exec(model)?.[1])
  expect(new Set(TABLES)).toEqual(new Set(names))
})
