import { Client, escapeIdentifier } from "pg"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { eventually } from "../harness/eventually.ts"
import { newNumber } from "../harness/numbers.ts"
import {
  json,
  order,
  type ScriptedScoring,
  startScriptedScoring,
  status,
} from "@gofermart/scoring-simulator/scripted.ts"
import { startSystem, type System } from "../harness/system.ts"
import { firesAt, type Moment } from "./alert-rule.ts"
import { expressions, jobs, rules } from "./monitoring-files.ts"
import {
  type Exposition,
  type Matcher,
  type Measured,
  readExposition,
  readPromql,
  type Sample,
} from "./promql.ts"

const SCRAPE_INTERVAL_S = 15
/** Before and after what the alerts are to tell of. */
const WELL_S = 150
const OPERATOR = { OPERATORS_LOGIN: "operator", OPERATORS_PASSWORD: "twelve-characters" }

/** Prometheus makes these itself. */
const OF_PROMETHEUS: Measured[] = [
  ...jobs.map((job) => ({ metric: "up", labels: { job, instance: "" }, value: 1 })),
  { metric: "ALERTS", labels: { alertname: "", alertstate: "firing" }, value: 1 },
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

  /** Forbids writes, or allows them again, to whoever connects from now on; and all have to. */
  const setReadOnly = async (isReadOnly: boolean) => {
    const administrator = new Client({ connectionString: system.database.url })
    await administrator.connect()
    const name = escapeIdentifier(new URL(system.database.url).pathname.slice(1))
    await administrator.query("SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE")
    await administrator.query(
      `ALTER DATABASE ${name} SET default_transaction_read_only = ${isReadOnly}`,
    )
    await administrator.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid()`,
    )
    await administrator.end()
  }

  /** What Prometheus scrapes of the API, with the label that it adds. */
  const record = async () => {
    const { samples } = readExposition(await scrape(system.operatorsUrl))
    return samples.map((sample): Measured => {
      return { ...sample, labels: { ...sample.labels, job: "api" } }
    })
  }
  const isWritable = (samples: Measured[], value: number) =>
    ["database", "queue"].every((part) =>
      samples.some(({ metric, labels, value: is }) => {
        const isIt = metric === "gofermart_not_writable" && labels["part"] === part
        return isIt && labels["reason"] === "read_only" && is === value
      }),
    )
  const recorded = (what: string, value: number) =>
    eventually(what, async () => {
      const samples = await record()
      return isWritable(samples, value) && samples
    })

  it("writes that are not possible are told of when that lasts, and not when it is a blip", async () => {
    const well = await recorded("writes are possible", 0)
    await setReadOnly(true)
    const ill = await recorded("writes are not possible", 1)
    await setReadOnly(false)
    await recorded("writes are possible again", 0)
    // A server that is replaced gives one reason after the other.
    const another = ill.map((sample) => {
      const isReason = sample.metric === "gofermart_not_writable"
      const swapped: Record<string, string> = { read_only: "replica", replica: "read_only" }
      const reason = swapped[sample.labels["reason"] ?? ""]
      return isReason && reason !== undefined
        ? { ...sample, labels: { ...sample.labels, reason } }
        : sample
    })
    /** For so long everything is well, then not, then again. */
    const timeline = (illS: number): Moment[] =>
      Array.from({ length: (WELL_S + illS + WELL_S) / SCRAPE_INTERVAL_S }, (_, i) => {
        const sinceS = i * SCRAPE_INTERVAL_S - WELL_S
        const samples = sinceS < 0 || sinceS >= illS ? well : sinceS < illS / 2 ? ill : another
        return { atS: sinceS, samples }
      })
    for (const [name, forS] of [
      ["DatabaseNotWritable", 60],
      ["QueueNotWritable", 120],
    ] as const) {
      const found = rules.find(({ alert }) => alert === name)
      const rule = { expr: found?.expr ?? "", for: found?.for ?? "" }
      expect(firesAt(rule, timeline(0))).toEqual([])
      expect(firesAt(rule, timeline(30))).toEqual([])
      expect(firesAt(rule, timeline(forS))).toEqual([])
      expect(firesAt(rule, timeline(forS + 45))).toEqual([forS, forS + 15, forS + 30])
    }
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
