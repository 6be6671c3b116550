import { globSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { describe, expect, it } from "vitest"

const repository = fileURLToPath(new URL("../../", import.meta.url))

/** The named numbers of the sources, by folder as the document has them: `NAME file value`. */
function limitsInSources(folder: string): string[] {
  const files = globSync("**/*.ts", { cwd: join(repository, folder) })
  return files
    .filter((file) => !file.endsWith(".test.ts") && !file.includes("generated"))
    .flatMap((file) => {
      const text = readFileSync(join(repository, folder, file), "utf8")
      const limits = text.matchAll(/^(?:export )?const ([A-Z][A-Z0-9_]+) = ([0-9_.]+)$/gm)
      return [...limits].map(([, name, value]) => `${name} ${file} ${value?.replaceAll("_", "")}`)
    })
}

/** The rows of the document's table of a folder's limits, in the same form. */
function limitsInDocument(folder: string): string[] {
  const document = readFileSync(join(repository, "docs/ARCHITECTURE.md"), "utf8")
  const section = document.split("\n### ").find((text) => text.includes(`\`${folder}/\`\n`)) ?? ""
  const rows = section.matchAll(/^\| `([A-Z0-9_]+)` +\| ([0-9.,]*).*\| `([^`]+)` +\|$/gm)
  return [...rows].map(([, name, value, file]) => `${name} ${file} ${value?.replaceAll(",", "")}`)
}

/** Numbers that limit nothing: codes, places, sizes of what is made. */
const NO_LIMITS =
  /^(ALREADY_KNOWN|EXIT_|OPERATORS_PORT|SIMULATOR_PORT|WORKER_PORT|PORT_MAX|UNPRIVILEGED_ID|DECIMALS|KEY_BYTES|CUSTOMERS|ORDERS_PER_CUSTOMER|WITHDRAWALS_PER_CUSTOMER|CONCURRENCY|LOOK_INTERVAL_MS|MINUTE_MS|BROTLI_QUALITY|FAR_FROM_MAX)/

describe("the limits in docs/ARCHITECTURE.md", () => {
  it.each([
    "packages/shared/src",
    "services/api/src",
    "services/accrual-worker/src",
    "packages/scoring-client/src",
    "packages/scoring-conformance/src",
    "packages/client/src",
    "packages/local-stack/src",
    "packages/operator/src",
  ])("are those of %s, each of them", (folder) => {
    const documented = limitsInDocument(folder)
    for (const limit of documented) {
      const [name, file = ""] = limit.split(" ")
      expect(readFileSync(join(repository, folder, file), "utf8")).toMatch(`const ${name} = `)
    }
    const inSources = limitsInSources(folder).filter((limit) => !NO_LIMITS.test(limit))
    expect(inSources.length).toBeGreaterThan(0)
    for (const limit of inSources) expect(documented).toContain(limit)
  })
})
