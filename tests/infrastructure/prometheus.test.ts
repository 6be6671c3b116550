import { globSync } from "node:fs"
import { startScriptedScoring } from "@gofermart/scoring-simulator/scripted.ts"
import { beforeAll, expect, it } from "vitest"
import { repository } from "../deploy/compose.ts"
import { dashboard, jobs, rules } from "../deploy/monitoring-files.ts"
import { eventually } from "../harness/eventually.ts"
import {
  describeOnPrometheus,
  type Prometheus,
  promtool,
  startPrometheus,
} from "../harness/prometheus.ts"
import { startSystem } from "../harness/system.ts"

const ALERT_TESTS = globSync("tests/infrastructure/alerts/*.yml", { cwd: repository })
/** Nothing in them is left to chance where they are quoted. */
const OPERATOR = { login: `o'perator "1" & \\co`, password: `a "password" of $HOME's #1 \\ & co` }

interface Targets {
  activeTargets: { labels: { job: string }; health: string; lastError: string }[]
}
interface Rules {
  groups: {
    rules: { name: string; health: string; lastError?: string; state: string }[]
  }[]
}

describeOnPrometheus("Debian's promtool", () => {
  it("takes the configuration, and the rules that it names", async () => {
    const said = await promtool("check", "config", "deploy/prometheus/prometheus.yml")
    expect(said).toContain(`SUCCESS: ${rules.length} rules found`)
  })

  it.each(ALERT_TESTS)(
    "finds that alerts fire when they should, and only then: %s",
    async (file) => {
      expect(await promtool("test", "rules", file)).toContain("SUCCESS")
    },
  )
})

describeOnPrometheus("Debian's Prometheus", () => {
  let prometheus: Prometheus
  beforeAll(async () => {
    const scoring = await startScriptedScoring()
    const system = await startSystem({
      backend: "postgresql",
      scoringUrl: scoring.url,
      env: { OPERATORS_LOGIN: OPERATOR.login, OPERATORS_PASSWORD: OPERATOR.password },
    })
    const hostOf = (url = "") => new URL(url).host
    const targets = {
      api: hostOf(system.operatorsUrl),
      "accrual-worker": hostOf(system.workers[0]?.details["operatorsUrl"]),
    }
    prometheus = await startPrometheus(targets, OPERATOR)
    return async () => {
      await system.close()
      await scoring.close()
    }
  })

  it("scrapes API and worker with the operators' password", async () => {
    const targets = await eventually("all are scraped", async () => {
      const { activeTargets } = await prometheus.ask<Targets>("targets")
      const scraped = activeTargets.filter(({ health }) => health !== "unknown")
      return scraped.length === jobs.length && scraped
    })
    const scraped = targets.map(({ labels, health, lastError }) => [
      labels.job,
      { health, lastError },
    ])
    const wanted = jobs.map((job) => [job, { health: "up", lastError: "" }])
    expect(Object.fromEntries(scraped)).toEqual(Object.fromEntries(wanted))
  })

  it("evaluates every rule, of which none fires while all is well", async () => {
    const evaluated = await eventually("all are evaluated", async () => {
      const { groups } = await prometheus.ask<Rules>("rules")
      const all = groups.flatMap((group) => group.rules)
      return all.every(({ health }) => health !== "unknown") && all
    })
    expect(evaluated.map(({ name }) => name).toSorted()).toEqual(
      rules.map(({ alert }) => alert).toSorted(),
    )
    for (const { name, health, lastError, state } of evaluated) {
      expect({ name, health, lastError }).toEqual({ name, health: "ok", lastError: undefined })
      expect({ name, state }).not.toEqual({ name, state: "firing" })
    }
    const failures = await prometheus.ownMetrics("prometheus_rule_evaluation_failures_total")
    expect(failures.length).toBeGreaterThan(0)
    expect(failures.filter((count) => count > 0)).toEqual([])
  })

  it("can be asked everything that the dashboard asks", async () => {
    const asked = dashboard.panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr))
    expect(asked.length).toBeGreaterThan(0)
    for (const expr of asked) await prometheus.ask(`query?query=${encodeURIComponent(expr)}`)
  })
})
