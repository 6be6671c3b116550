import { globSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { createDatabase, type TestDatabase } from "../harness/database.ts"

const repository = fileURLToPath(new URL("../../", import.meta.url))
const read = (file: string) => readFileSync(join(repository, file), "utf8")
const document = read("docs/operations.md")
const sources = globSync(
  ["services/*/src/**/*.ts", "packages/{shared,operator,scoring-client}/src/**/*.ts"],
  {
    cwd: repository,
  },
)
  .filter((file) => !file.includes("generated"))
  .map(read)
  .join("\n")

const matches = (text: string, pattern: RegExp) =>
  [...text.matchAll(pattern)].map(([, found = ""]) => found)

/** As GitHub makes them. */
function anchorsOf(markdown: string): string[] {
  const headings = matches(markdown, /^#+ (.*)$/gm)
  return headings.map((heading) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\w -]/g, "")
      .replaceAll(" ", "-"),
  )
}

describe("docs/operations.md", () => {
  let database: TestDatabase
  beforeAll(async () => {
    database = await createDatabase()
  })
  afterAll(() => database.drop())

  it("names only metrics that there are", () => {
    const made = matches(sources, /name: "(gofermart_\w+)"/g)
    const named = new Set(matches(document, /\b(gofermart_[a-z_]+?)(?:_count\b|_?…|\b)/g))
    expect(named.size).toBeGreaterThan(10)
    const isMade = (name: string) => made.some((metric) => metric.startsWith(name))
    expect([...named].filter((name) => !isMade(name))).toEqual([])
  })

  it("names only settings that a service reads", () => {
    const named = matches(
      document,
      /`((?:WORKER|REQUEUE|LEDGER|LIVENESS|FLEET|SHUTDOWN|SCORING|OPERATORS|BOARD|TOKEN|AUTH|TRUSTED|DATABASE|QUEUE)_[A-Z_]+)\b/g,
    )
    expect(named.length).toBeGreaterThan(10)
    expect(named.filter((name) => !sources.includes(name))).toEqual([])
  })

  it("quotes what the processes log as they log it", () => {
    const quoted = [
      "requeued overdue orders",
      "the ledger's check did not finish its range",
      "the fleet's metrics could not be looked up",
      "an unusable answer",
      "too many requests: polling is paused",
      "the scoring system changed its verdict; the first one stays",
      "a balance is not explained",
      "waiting for the database",
      "waiting for the queue's database",
      "a request failed",
      "the database is not available",
    ]
    const words = document.replaceAll(/\s+/g, " ")
    expect(quoted.filter((text) => !words.includes(`\`${text}\``))).toEqual([])
    expect(quoted.filter((text) => !sources.includes(`"${text}"`))).toEqual([])
  })

  it("says what each alert means, and nothing of alerts that there are not", () => {
    const alerts = read("deploy/prometheus/alerts.yml")
    const section = document.split("\n## ").find((text) => text.startsWith("Alerts\n")) ?? ""
    const names = matches(alerts, /- alert: (\w+)/g)
    expect(matches(section, /^### (\w+)$/gm).toSorted()).toEqual(names.toSorted())
    expect(matches(alerts, /runbook: \S*docs\/operations\.md#(\w+)/g)).toEqual(
      names.map((name) => name.toLowerCase()),
    )
  })

  it("leads to sections that there are", () => {
    const links = [...document.matchAll(/\]\(([^)#]*)#([^)]+)\)/g)]
    expect(links.length).toBeGreaterThan(10)
    for (const [, file = "", anchor] of links) {
      const target = file === "" ? document : read(join("docs", file))
      expect(anchorsOf(target)).toContain(anchor)
    }
  })

  it("asks the database what it can answer", async () => {
    const statements = matches(
      document,
      /psql "\$DATABASE_URL" -c ["']([^"']*(?:'[A-Za-z]+'[^"']*)*)["']/g,
    )
    const inline = matches(document, /`(SELECT [^`]*(?:pg_stat|FROM ledger_check)[^`]*)`/g)
    expect(statements.length + inline.length).toBeGreaterThanOrEqual(6)
    for (const statement of [...statements, ...inline]) {
      await expect(database.client.$executeRawUnsafe(statement)).resolves.toBeDefined()
    }
  })
})
