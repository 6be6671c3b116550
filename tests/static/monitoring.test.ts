import { existsSync } from "node:fs"
import { basename, join } from "node:path"
import { PROGRAMS } from "@gofermart/local-stack/programs.ts"
import { textOf } from "@gofermart/shared/runtime/settings-help.ts"
import { describe, expect, it } from "vitest"
import { parse } from "yaml"
import { repository } from "../deploy/compose.ts"
import {
  dashboard,
  expressions,
  prometheus,
  read,
  rules,
  services,
} from "../deploy/monitoring-files.ts"
import { readPromql } from "../deploy/promql.ts"
import { matches, metrics, operatorDocuments, sources } from "./documents.ts"

it("the name of a counter ends with _total, and no other does", () => {
  const counters = matches(sources, /new Counter\(\{\s+name: "(\w+)"/g)
  expect(counters.length).toBeGreaterThan(10)
  expect(metrics.filter((name) => name.endsWith("_total")).toSorted()).toEqual(counters.toSorted())
})

it("every metric is on the dashboard, in an alert, or in what operators read", () => {
  const told = [
    ...expressions.map(({ expr }) => expr),
    ...operatorDocuments.map(({ text }) => text),
  ].join("\n")
  expect(metrics.filter((name) => !told.includes(name))).toEqual([])
})

describe("an expression", () => {
  it("is refused when it is not PromQL", () => {
    expect(() => readPromql("sum(rate(up[5m]) > 1")).toThrow("not PromQL")
    expect(() => readPromql("up{job=} == 0")).toThrow("not PromQL")
  })

  it("names only metrics that there are", () => {
    const named = matches(expressions.map(({ expr }) => expr).join("\n"), /\b(gofermart_\w+)/g)
    const names = new Set(named.map((name) => name.replace(/_(bucket|sum|count)$/, "")))
    expect(names.size).toBeGreaterThan(20)
    expect([...names].filter((name) => !metrics.includes(name))).toEqual([])
  })

  it("does not sum what each API shows of the whole fleet", () => {
    const fleet = /gofermart_(queue|polls_due|orders_unfinished|ledger|scoring_pause_|fleet)/
    const ofFleet = expressions.filter(({ expr }) => fleet.test(expr))
    expect(ofFleet.length).toBeGreaterThan(0)
    for (const { expr } of ofFleet) {
      expect(expr).toMatch(/\bmax( by \(\w+\))? ?\(gofermart_/)
      expect(expr).not.toMatch(/\b(sum|avg|count)( by \(\w+\))? ?\(gofermart_/)
    }
  })
})

describe("the alerts", () => {
  it("have different names", () => {
    const names = rules.map(({ alert }) => alert)
    expect(new Set(names).size).toBe(names.length)
  })

  it.each(rules)("$alert says how bad it is, what it means and where to read on", (rule) => {
    expect(["critical", "warning"]).toContain(rule.labels["severity"])
    expect(rule.annotations["summary"]).toMatch(/\.$/)
    expect(rule.annotations["description"]).toMatch(/\.$/)
    expect(rule.annotations["runbook"]).toBe(`docs/runbooks/${rule.alert}.md`)
  })
})

describe("Prometheus", () => {
  it.each(prometheus.scrape_configs)("finds the metrics of $job_name", (config) => {
    for (const { names, type, port } of config.dns_sd_configs) {
      expect(type).toBe("A")
      for (const name of names) {
        expect(services[name]?.environment?.["OPERATORS_ADDRESS"]).toBe(`0.0.0.0:${port}`)
      }
    }
  })

  it.each(prometheus.scrape_configs)("has the credentials for $job_name", ({ basic_auth }) => {
    // For a Prometheus outside Compose; in it, see infrastructure/prometheus.test.ts.
    expect(basic_auth.username).toBe(textOf(PROGRAMS.api.OPERATORS_LOGIN).defaultValue)
    for (const name of ["api", "accrual-worker"]) {
      expect(services[name]?.environment).toMatchObject({
        OPERATORS_LOGIN: services["prometheus"]?.environment?.["OPERATORS_LOGIN"],
        OPERATORS_PASSWORD_FILE: basic_auth.password_file,
      })
    }
    expect(services["prometheus"]?.secrets).toContain(basename(basic_auth.password_file))
  })

  it("has its files where it looks for them", () => {
    expect(services["prometheus"]?.volumes).toContain("./deploy/prometheus:/etc/prometheus:ro")
    for (const file of prometheus.rule_files) {
      expect(existsSync(join(repository, "deploy/prometheus", file))).toBe(true)
    }
  })
})

describe("Grafana", () => {
  const datasources = parse(read("grafana/provisioning/datasources/prometheus.yml")) as {
    datasources: { uid: string; url: string }[]
  }
  const { providers } = parse(read("grafana/provisioning/dashboards/gofermart.yml")) as {
    providers: { options: { path: string } }[]
  }

  it("has the dashboard's data from this Prometheus", () => {
    const [{ uid, url } = { uid: "", url: "" }] = datasources.datasources
    expect(Object.keys(services)).toContain(new URL(url).hostname)
    for (const panel of dashboard.panels) {
      if (panel.targets !== undefined) expect(panel.datasource?.uid).toBe(uid)
    }
  })

  it("has the dashboard where it looks for it", () => {
    const path = providers[0]?.options.path
    expect(services["grafana"]?.volumes).toContain(`./deploy/grafana/dashboards:${path}:ro`)
    const ids = dashboard.panels.map(({ id }) => id)
    expect(new Set(ids).size).toBe(ids.length)
  })

  it("is asked for a password of its own", () => {
    expect(services["grafana"]?.environment).toMatchObject({
      GF_SECURITY_ADMIN_PASSWORD__FILE: "/run/secrets/grafana_password",
    })
    expect(services["grafana"]?.secrets).toEqual(["grafana_password"])
  })
})
