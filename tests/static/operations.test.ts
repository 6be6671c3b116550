import { globSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { rules } from "../deploy/monitoring-files.ts"
import { composeSettings } from "../settings/compose-settings.ts"
import { documents, matches, metrics, operatorDocuments, repository, sources } from "./documents.ts"

const whole = operatorDocuments.map(({ text }) => text).join("\n")

describe("docs/OPERATIONS.md and the runbooks", () => {
  it("name only metrics that there are", () => {
    const named = new Set(matches(whole, /\b(gofermart_[a-z_]+?)(?:_count\b|_?…|\b)/g))
    expect(named.size).toBeGreaterThan(10)
    const isMade = (name: string) => metrics.some((metric) => metric.startsWith(name))
    expect([...named].filter((name) => !isMade(name))).toEqual([])
  })

  it("name only settings that a service or docker-compose.yml reads", () => {
    const named = matches(
      whole,
      /`((?:WORKER|REQUEUE|LEDGER|LIVENESS|FLEET|SHUTDOWN|SCORING|OPERATORS|BOARD|TOKEN|AUTH|TRUSTED|DATABASE|QUEUE)_[A-Z_]+)\b/g,
    )
    expect(named.length).toBeGreaterThan(10)
    const isRead = (name: string) => sources.includes(name) || name in composeSettings
    expect(named.filter((name) => !isRead(name))).toEqual([])
  })

  it("quote what the processes log as they log it", () => {
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
    const words = whole.replaceAll(/\s+/g, " ")
    expect(quoted.filter((message) => !words.includes(`\`${message}\``))).toEqual([])
    expect(quoted.filter((message) => !sources.includes(`"${message}"`))).toEqual([])
  })
})

describe("the runbooks", () => {
  const runbooks = documents.filter(({ path }) => /^docs\/runbooks\/[A-Z][a-z]/.test(path))

  it("are one for each alert, with its severity", () => {
    const said = runbooks.map((runbook) => {
      const [, title, severity] = /^# (.*)\n\nSeverity: (\w+)\./.exec(runbook.text) ?? []
      return { path: runbook.path, title, severity }
    })
    const wanted = rules.map(({ alert, labels, annotations }) => ({
      path: annotations["runbook"],
      title: alert,
      severity: labels["severity"],
    }))
    expect(said).toHaveLength(wanted.length)
    expect(said).toEqual(expect.arrayContaining(wanted))
  })

  it("say what the alert means, where to look and what to do", () => {
    for (const { path, text: runbook } of runbooks) {
      expect({ path, runbook }).toMatchObject({ runbook: expect.stringContaining("**Meaning.**") })
      expect({ path, runbook }).toMatchObject({ runbook: expect.stringMatching(/\*\*Do\b/) })
    }
  })

  it("are all in their index, the critical ones apart", () => {
    const index = documents.find(({ path }) => path === "docs/runbooks/README.md")?.text ?? ""
    const [, critical = "", warnings = ""] = index.split("\n## ")
    for (const { alert, labels } of rules) {
      const section = labels["severity"] === "critical" ? critical : warnings
      expect(section).toContain(`- [${alert}](${alert}.md)`)
    }
  })
})

it("every row of what the system survives is a test: by its number, or the file it names", () => {
  const architecture = documents.find(({ path }) => path === "docs/ARCHITECTURE.md")?.text ?? ""
  const section = architecture.split("\n## ").find((text) => text.startsWith("What it survives"))
  const rows = (section ?? "").split("\n").filter((line) => /^\| \d+ +\|/.test(line))
  expect(rows.length).toBeGreaterThan(50)
  const files = globSync("tests/{faults,infrastructure}/**/*.test.ts", { cwd: repository })
  const numbers = new Set(
    files.flatMap((file) => {
      const names = matches(
        readFileSync(join(repository, file), "utf8"),
        /["`](\d+(?:, \d+)*)[:,] /g,
      )
      return names.flatMap((name) => name.split(", "))
    }),
  )
  const isTested = (row: string) => {
    const [, number = "", named] = /^\| (\d+)[^(]*(?:\(`([\w-]+)`\))?/.exec(row) ?? []
    return numbers.has(number) || files.includes(`tests/faults/${named}.test.ts`)
  }
  expect(rows.filter((row) => !isTested(row))).toEqual([])
})
