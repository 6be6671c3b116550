import { globSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { expect, it } from "vitest"
import { parse } from "yaml"
import { repository } from "../deploy/compose.ts"
import { rules } from "../deploy/monitoring-files.ts"

interface AlertTests {
  tests: { alert_rule_test: { alertname: string; exp_alerts: unknown[] }[] }[]
}

/** Each series of checks of an alert in a test of promtool's: whether it fires, from time to time. */
const checked = globSync("tests/infrastructure/alerts/*.yml", { cwd: repository })
  .flatMap((file) => (parse(readFileSync(join(repository, file), "utf8")) as AlertTests).tests)
  .map(({ alert_rule_test: checks }) => ({
    alert: checks[0]?.alertname,
    fires: checks.map(({ exp_alerts: expected }) => (expected.length > 0 ? "fires" : "silent")),
  }))

it.each(rules)("promtool tests that $alert is silent, fires, and is silent again", ({ alert }) => {
  const course = checked.filter((one) => one.alert === alert).map(({ fires }) => fires.join(" "))
  expect(course).toContainEqual(expect.stringMatching(/^(silent )+(fires )+silent$/))
})

it("promtool tests no alert that is gone", () => {
  const names = rules.map(({ alert }) => alert)
  expect(checked.filter(({ alert = "" }) => !names.includes(alert))).toEqual([])
})
