import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { parse } from "yaml"
import { eventually } from "../harness/eventually.ts"
import { newNumber } from "../harness/numbers.ts"
import {
  json,
  order,
  type ScriptedScoring,
  startScriptedScoring,
  status,
} from "../harness/scripted-scoring.ts"
import { startSystem, type System } from "../harness/system.ts"
import { readCompose, REQUIRED, repository } from "./compose.ts"
import { type Exposition, type Matcher, readExposition, readPromql, type Sample } from "./promql.ts"

const OPERATOR = { OPERATORS_LOGIN: "operator", OPERATORS_PASSWORD: "twelve-characters" }

interface Rule {
  alert: string
  expr: string
  labels: Record<string, string>
  annotations: Record<string, string>
}
interface Panel {
  id: number
  title: string
  datasource?: { uid: string }
  targets?: { expr: string; legendFormat: string }[]
}
interface ScrapeConfig {
  job_name: string
  basic_auth: { username_file: string; password_file: string }
  dns_sd_configs: { names: string[]; type: string; port: number }[]
}

const read = (path: string) => readFileSync(join(repository, "deploy", path), "utf8")
const rules = (
  parse(read("prometheus/alerts.yml")) as { groups: { rules: Rule[] }[] }
).groups.flatMap((group) => group.rules)
const prometheus = parse(read("prometheus/prometheus.yml")) as {
  rule_files: string[]
  scrape_configs: ScrapeConfig[]
}
const dashboard = JSON.parse(read("grafana/dashboards/gofermart.json")) as { panels: Panel[] }
const jobs = prometheus.scrape_configs.map((config) => config.job_name)
const { services } = readCompose(REQUIRED)

/** Every expression, under the name of what shows it. */
const expressions = [
  ...rules.map(({ alert, expr, annotations }) => {
    const shown = Object.values(annotations).join(" ")
    return { name: alert, expr, shown: [...shown.matchAll(/\$labels\.(\w+)/g)] }
  }),
  ...dashboard.panels.flatMap(({ title, targets = [] }) =>
    targets.map(({ expr, legendFormat }) => {
      return { name: title, expr, shown: [...legendFormat.matchAll(/\{\{(\w+)\}\}/g)] }
    }),
  ),
].map(({ name, expr, shown }) => ({ name, expr, shown: shown.map(([, label = ""]) => label) }))

/** Prometheus makes these itself. */
const OF_PROMETHEUS: Sample[] = [
  ...jobs.map((job) => ({ metric: "up", labels: { job, instance: "" } })),
  { metric: "ALERTS", labels: { alertname: "", alertstate: "firing" } },
]

describe("what Prometheus and Grafana ask", () => {
  let scoring: ScriptedScoring
  let system: System
  let exported: Exposition

  beforeAll(async () => {
    scoring = await startScriptedScoring()
    // Both services as docker-compose.yml sets them up: nothing is told without a password.
    const env = { ...OPERATOR, FLEET_WATCH_INTERVAL: "200ms" }
    system = await startSystem({ backend: "postgresql", scoringUrl: scoring.url, env })
    await liveThrough()
    const urls = [system.operatorsUrl, system.workers[0]?.details["operatorsUrl"] ?? ""]
    const texts = await Promise.all(urls.map(scrape))
    exported = readExposition(texts.join("\n"))
    exported.samples.push(...OF_PROMETHEUS)
    for (const { metric } of OF_PROMETHEUS) exported.names.add(metric)
  })
  afterAll(async () => {
    await system.close()
    await scoring.close()
  })

  const scrape = async (url: string) => {
    const { OPERATORS_LOGIN: login, OPERATORS_PASSWORD: password } = OPERATOR
    const credentials = Buffer.from(`${login}:${password}`).toString("base64")
    const open = await fetch(`${url}/metrics`)
    expect(open.status).toBe(401)
    const headers = { authorization: `Basic ${credentials}` }
    const answer = await fetch(`${url}/metrics`, { headers })
    return answer.text()
  }

  /** What leaves a sample of everything that is asked for. */
  const liveThrough = async () => {
    const anna = await system.register()
    const number = newNumber()
    scoring.script(number, status(503), json("nonsense"), order("PROCESSED", "5"))
    expect(await anna.uploadAndWait(number, 30)).toMatchObject({ accrual: 5 })
    await anna.withdraw(newNumber(), 1)
    await eventually("the ledger has been checked and told of", async () => {
      const text = await scrape(system.operatorsUrl)
      return /^gofermart_ledger_checked_timestamp_seconds \d/m.test(text)
    })
    // Refused, since a stream would count only when it ends.
    expect((await fetch(`${system.apiUrl}/api/user/events`)).status).toBe(401)
  }

  it.each(expressions)("$name: metrics and labels that there are", ({ expr, shown }) => {
    const { selectors, labels } = readPromql(expr)
    const known = ["job", "instance"]
    for (const { metric, matchers } of selectors) {
      expect(exported.names, `in ${expr}`).toContain(metric)
      const samples = exported.samples.filter((sample) => sample.metric === metric)
      for (const matcher of matchers) expectToSay(matcher, samples)
      known.push(...samples.flatMap((sample) => Object.keys(sample.labels)))
    }
    expect(known).toEqual(expect.arrayContaining([...labels, ...shown]))
  })

  /** A misspelt label or value would make an alert that never fires. */
  const expectToSay = ({ label, operator, value }: Matcher, samples: Sample[]) => {
    const values = samples.flatMap(({ labels }) => labels[label] ?? [])
    expect(values.length, `${label} of ${samples[0]?.metric}`).toBeGreaterThan(0)
    const pattern = new RegExp(`^(?:${value})$`)
    if (operator === "=" || operator === "!=") expect(values).toContain(value)
    if (operator === "!~") expect(values.filter((known) => pattern.test(known))).not.toEqual([])
  }
})

describe("an expression", () => {
  it("is refused when it is not PromQL", () => {
    expect(() => readPromql("sum(rate(up[5m]) > 1")).toThrow("not PromQL")
    expect(() => readPromql("up{job=} == 0")).toThrow("not PromQL")
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
    expect(rule.annotations["runbook"]).toBe(`docs/operations.md#${rule.alert.toLowerCase()}`)
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
    const script = services["prometheus"]?.entrypoint?.join(" ")
    expect(script).toContain(`"$OPERATORS_LOGIN" > ${basic_auth.username_file}`)
    expect(script).toContain(`"$OPERATORS_PASSWORD" > ${basic_auth.password_file}`)
    for (const name of ["api", "accrual-worker"]) {
      expect(services["prometheus"]?.environment).toEqual({
        OPERATORS_LOGIN: services[name]?.environment?.["OPERATORS_LOGIN"],
        OPERATORS_PASSWORD: services[name]?.environment?.["OPERATORS_PASSWORD"],
      })
    }
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
    expect(services["grafana"]?.entrypoint?.join(" ")).toContain("${GF_SECURITY_ADMIN_PASSWORD:?")
    expect(services["grafana"]?.environment?.["GF_SECURITY_ADMIN_PASSWORD"]).toBe("")
  })
})
