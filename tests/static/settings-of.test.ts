import { PROGRAMS } from "@gofermart/local-stack/programs.ts"
import { settingsOf } from "@gofermart/local-stack/settings-of.ts"
import { globSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { matches, repository } from "./documents.ts"

describe.each(["api", "worker", "simulator"] as const)("what `start` hands to the %s", (entry) => {
  it("has every setting that it knows, and one that comes tomorrow", () => {
    const names = [...Object.keys(PROGRAMS[entry]), "A_SETTING_OF_TOMORROW", "NODE_EXTRA_CA_CERTS"]
    const env = Object.fromEntries(names.map((name) => [name, "given"]))
    expect(settingsOf(entry, env)).toEqual(env)
  })
})

describe("a secret", () => {
  it.each([
    ["AUTH_KEYS", ["api"]],
    ["OPERATORS_PASSWORD", ["api", "worker"]],
    ["DATABASE_URL", ["api", "worker"]],
    ["OTEL_EXPORTER_OTLP_HEADERS", ["api", "worker"]],
  ])("%s is handed to %j only", (name, entries) => {
    for (const entry of ["api", "worker", "simulator"] as const) {
      expect([entry, name in settingsOf(entry, { [name]: "a secret" })]).toEqual([
        entry,
        entries.includes(entry),
      ])
    }
  })
})

/** Where a service declares its settings, and reads them. */
const declaring = globSync("{services,packages}/*/src/config.ts", { cwd: repository })

it.each(declaring)("what %s declares is used there", (path) => {
  const source = readFileSync(join(repository, path), "utf8")
  const declared = matches(source, /^ {2,4}([A-Z][A-Z_]+): ?[a-z]/gm)
  const unused = declared.filter((name) => !source.includes(`.${name}`))
  expect(unused).toEqual([])
})
