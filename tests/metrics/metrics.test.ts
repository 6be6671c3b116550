import { setTimeout as sleep } from "node:timers/promises"
import type { AccrualQueue } from "@gofermart/shared/queue/poll-job.ts"
import { holdQueue } from "@gofermart/shared/queue/backend.ts"
import { addPolls } from "@gofermart/shared/queue/poll-job.ts"
import { Client } from "pg"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { openQueue } from "../harness/database-breakpoints.ts"
import { eventually } from "../harness/eventually.ts"
import { waitLongForLocks } from "../harness/lock-timeouts.ts"
import { newNumber } from "../harness/numbers.ts"
import {
  json,
  order,
  type Reply,
  type ScriptedScoring,
  startScriptedScoring,
  status,
  unknown,
} from "@gofermart/scoring-simulator/scripted.ts"
import { startSystem, type System } from "../harness/system.ts"
import { readExposition, type Samples, scrape } from "../harness/exposition.ts"

const DAY_MS = 86_400_000
/** Long enough for the process to be seen standing still. */
const FROZEN_MS = 400
/** In a row they are an outage. */
const FAILURES = 25

describe("the metrics, each of which moves when", () => {
  let scoring: ScriptedScoring
  let system: System
  let queue: AccrualQueue
  let workerUrl: string
  beforeAll(async () => {
    scoring = await startScriptedScoring()
    system = await startSystem({
      backend: "postgresql",
      scoringUrl: scoring.url,
      env: {
        FLEET_WATCH_INTERVAL: "100ms",
        LEDGER_CHECK_INTERVAL: "100ms",
        SCORING_UNREGISTERED_GRACE: "1s",
        // A poll that hangs is to be seen as it hangs.
        SCORING_TIMEOUT: "60s",
        DATABASE_CONNECTIONS_MAX: "4",
      },
    })
    queue = await openQueue(system)
    workerUrl = system.workers[0]?.details["operatorsUrl"] ?? ""
  })
  afterAll(async () => {
    await queue.close()
    await system.close()
    await scoring.close()
  })

  /** Waits until each of the series has grown by this much since before. */
  const expectGrowth = async (url: string, before: Samples, by: Record<string, number>) => {
    const grown = () => scrape(url).then((now) => growth(before, now, Object.keys(by)))
    await eventually(`${url} grows by ${JSON.stringify(by)}`, async () => {
      const now = await grown()
      return Object.entries(by).every(([series, amount]) => now[series] === amount)
    }).catch(async () => expect(await grown()).toEqual(by))
  }
  const expectShown = (url: string, series: string, is: (value: number) => boolean) =>
    eventually(`${series} at ${url}`, async () => is((await scrape(url)).get(series) ?? -1))
  const upload = async (...replies: Parameters<ScriptedScoring["script"]>[1][]) => {
    const anna = await system.register()
    const number = newNumber()
    scoring.script(number, ...replies)
    await anna.upload(number)
    return { anna, number }
  }

  it("an order is uploaded, polled, and credited", async () => {
    const [api, worker] = [await scrape(system.operatorsUrl), await scrape(workerUrl)]
    const { anna, number } = await upload(order("PROCESSED", "729.98"))
    expect(await anna.upload(number)).toBe(200)
    const requests = "gofermart_http_request_duration_seconds_count"
    await expectGrowth(system.operatorsUrl, api, {
      [`${requests}{method="POST",route="/api/user/orders",status="202"}`]: 1,
      [`${requests}{method="POST",route="/api/user/orders",status="200"}`]: 1,
      'gofermart_orders_uploaded_total{outcome="accepted"}': 1,
      'gofermart_orders_uploaded_total{outcome="already_uploaded"}': 1,
      'gofermart_batch_items_sum{batch="record_orders"}': 2,
      'gofermart_batch_wait_seconds_count{batch="record_orders"}': 2,
      'gofermart_batch_duration_seconds_count{batch="record_orders"}': 2,
    })
    await expectGrowth(workerUrl, worker, {
      'gofermart_scoring_call_duration_seconds_count{answer="processed"}': 1,
      'gofermart_orders_settled_total{verdict="processed"}': 1,
      gofermart_points_credited_hundredths_total: 72_998,
      'gofermart_batch_items_sum{batch="settle_accruals"}': 1,
    })
  })

  it("points are withdrawn, or there are not enough of them", async () => {
    const { anna } = await upload(order("PROCESSED", "10"))
    await eventually("the points are there", async () => (await anna.balance()).current === 10)
    const before = await scrape(system.operatorsUrl)
    await anna.withdraw(newNumber(), 2.5)
    await expect(anna.withdraw(newNumber(), 100)).rejects.toThrow("402")
    await expectGrowth(system.operatorsUrl, before, {
      'gofermart_withdrawals_total{outcome="withdrawn"}': 1,
      'gofermart_withdrawals_total{outcome="not_enough"}': 1,
      gofermart_points_withdrawn_hundredths_total: 250,
    })
  })

  it("the scoring system gives any other answer, and contradicts itself", async () => {
    const before = await scrape(workerUrl)
    const { number } = await upload(
      status(503),
      json("<maintenance>"),
      order("REGISTERED"),
      order("INVALID"),
    )
    await upload(unknown)
    const polls = "gofermart_scoring_call_duration_seconds_count"
    await expectGrowth(workerUrl, before, {
      [`${polls}{answer="unavailable"}`]: 1,
      [`${polls}{answer="broken"}`]: 1,
      [`${polls}{answer="not_final"}`]: 1,
      'gofermart_orders_settled_total{verdict="invalid"}': 1,
      'gofermart_orders_settled_total{verdict="unregistered"}': 1,
      gofermart_verdicts_contradicted_total: 0,
    })
    scoring.script(number, order("PROCESSED", "1"))
    await addPolls(queue, [number])
    await expectGrowth(workerUrl, before, { gofermart_verdicts_contradicted_total: 1 })
  })

  it("orders wait, are held back by a pause, and lose their jobs", async () => {
    const before = await scrape(workerUrl)
    const refusal: Reply = (_number, response) =>
      response
        .writeHead(429, { "retry-after": "600" })
        .end("No more than 77 requests per minute allowed")
    const { number } = await upload(refusal, order("INVALID"))
    await expectShown(
      system.operatorsUrl,
      "gofermart_scoring_limit_per_minute",
      (limit) => limit === 77,
    )
    await expectShown(system.operatorsUrl, "gofermart_scoring_pause_seconds", (left) => left > 500)
    await expectShown(system.operatorsUrl, "gofermart_orders_unfinished", (orders) => orders === 1)
    const age = "gofermart_orders_unfinished_age_seconds"
    await expectShown(system.operatorsUrl, age, (seconds) => seconds > 0.5)
    expect((await scrape(system.operatorsUrl)).get("gofermart_polls_due")).toBe(0)
    await expectGrowth(workerUrl, before, {
      'gofermart_scoring_call_duration_seconds_count{answer="too_many_requests"}': 1,
      gofermart_scoring_pauses_total: 1,
    })
    await queue.remove(`order-${number}`)
    // Each time its lease is over, which is often in tests.
    const requeued = "gofermart_orders_requeued_total"
    const requeuedBefore = before.get(requeued) ?? 0
    await expectShown(workerUrl, requeued, (times) => times > requeuedBefore)
    await eventually("its job is back", () => queue.getJob(`order-${number}`))
  })

  it("a pause is over, and the queue is paused by an operator", async () => {
    // A worker that starts knows the pause from the database alone.
    await Promise.all(system.workers.map((worker) => worker.stop()))
    await system.database.client.scoringPause.deleteMany()
    await system.database.client.$executeRaw`UPDATE scoring_pace SET limit_per_minute = NULL`
    await holdQueue(queue, { pauseMs: 0, limit: undefined })
    await queue.pause()
    await expectShown(system.operatorsUrl, "gofermart_queue_paused", (paused) => paused === 1)
    await queue.resume()
    await expectShown(system.operatorsUrl, "gofermart_queue_paused", (paused) => paused === 0)
    const worker = await system.addWorker()
    workerUrl = worker.details["operatorsUrl"] ?? ""
    await expectShown(system.operatorsUrl, "gofermart_orders_unfinished", (orders) => orders === 0)
    await expectShown(system.operatorsUrl, "gofermart_scoring_pause_seconds", (left) => left === 0)
  })

  it("a limit is being spent, and the scoring system is down", async () => {
    await system.database.client.$executeRaw`
      UPDATE scoring_pace
         SET limit_per_minute = 6000, window_began_at = now(), version = version + 1`
    const before = await scrape(workerUrl)
    const down = await Promise.all(Array.from({ length: FAILURES }, () => upload(status(503))))
    await expectShown(system.operatorsUrl, "gofermart_scoring_down", (isDown) => isDown === 1)
    await expectGrowth(workerUrl, before, { gofermart_scoring_outages_total: 1 })
    for (const { number } of down) scoring.script(number, order("INVALID"))
    await expectShown(system.operatorsUrl, "gofermart_scoring_down", (isDown) => isDown === 0)
    const spent = "gofermart_scoring_limit_spent"
    await expectShown(system.operatorsUrl, spent, (calls) => calls >= FAILURES)
    await system.database.client.$executeRaw`
      UPDATE scoring_pace SET limit_per_minute = NULL, version = version + 1`
  })

  it("a poll is under way, and its worker is killed", async () => {
    const other = await system.addWorker()
    const otherUrl = other.details["operatorsUrl"] ?? ""
    const hung = await upload(() => {}, order("INVALID"))
    const holder = await eventually("a worker asks", async () => {
      const active = [workerUrl, otherUrl].map(async (url) => {
        const samples = await scrape(url).catch(() => undefined)
        return (samples?.get("gofermart_polls_under_way") ?? 0) > 0 ? url : undefined
      })
      return (await Promise.all(active)).find((url) => url !== undefined)
    })
    await expectShown(
      system.operatorsUrl,
      'gofermart_queue_jobs{state="active"}',
      (jobs) => jobs === 1,
    )
    expect(scoring.polls(hung.number)).toHaveLength(1)
    const [held, kept] = holder === otherUrl ? [other, workerUrl] : [system.workers[1], otherUrl]
    const before = await scrape(kept)
    held?.kill("SIGKILL")
    await expectGrowth(kept, before, {
      gofermart_jobs_taken_over_total: 1,
      'gofermart_orders_settled_total{verdict="invalid"}': 1,
    })
    workerUrl = kept
  })

  it("a job fails, and waits for an operator", async () => {
    const before = await scrape(workerUrl)
    const { number } = await upload(json("<maintenance>"))
    const job = await eventually("it is put off", async () => {
      const found = await queue.getJob(`order-${number}`)
      return found !== undefined && (await found.isDelayed()) ? found : undefined
    })
    await job.updateData({ number, polls: 5, brokenSince: Date.now() - DAY_MS })
    await expectGrowth(workerUrl, before, { gofermart_jobs_failed_total: 1 })
    await expectShown(
      system.operatorsUrl,
      'gofermart_queue_jobs{state="failed"}',
      (jobs) => jobs === 1,
    )
    scoring.script(number, order("INVALID"))
    await job.retry()
    await expectShown(
      system.operatorsUrl,
      'gofermart_queue_jobs{state="failed"}',
      (jobs) => jobs === 0,
    )
  })

  it("a balance is not what its rows say", async () => {
    const anna = await system.register()
    const { client } = system.database
    const { id: userId } = await client.user.findUniqueOrThrow({ where: { login: anna.login } })
    const checked = "gofermart_ledger_checked_timestamp_seconds"
    const begun = Date.now() / 1_000
    await expectShown(system.operatorsUrl, checked, (at) => at > begun)
    expect((await scrape(system.operatorsUrl)).get("gofermart_ledger_discrepancies")).toBe(0)
    await client.userBalance.update({ where: { userId }, data: { accrual: 1 } })
    await expectShown(system.operatorsUrl, "gofermart_ledger_discrepancies", (found) => found === 1)
    await client.userBalance.update({ where: { userId }, data: { accrual: 0 } })
    await expectShown(system.operatorsUrl, "gofermart_ledger_discrepancies", (found) => found === 0)
    expect(await system.logs()).toContain("a balance is not explained")
  })

  it("the database holds statements up", async () => {
    await waitLongForLocks(system.database.client)
    const customers = await Promise.all(Array.from({ length: 6 }, () => system.register()))
    const before = await scrape(system.operatorsUrl)
    const holder = new Client({ connectionString: system.database.url })
    await holder.connect()
    await holder.query("BEGIN; LOCK TABLE withdrawals")
    const withdrawals = customers.map((one) => one.withdraw(newNumber(), 1).catch(() => {}))
    await expectShown(system.operatorsUrl, "gofermart_database_connection_waiters", (waiting) => {
      return waiting >= 2
    })
    const busy = 'gofermart_database_connections{state="busy"}'
    expect((await scrape(system.operatorsUrl)).get(busy)).toBe(4)
    await holder.query("COMMIT")
    await holder.end()
    await Promise.all(withdrawals)
    await expectShown(system.operatorsUrl, busy, (connections) => connections < 4)
    const after = await scrape(system.operatorsUrl)
    const used = "gofermart_database_use_seconds_sum"
    expect((after.get(used) ?? 0) - (before.get(used) ?? 0)).toBeGreaterThan(0.1)
  })

  it("the process stands still", async () => {
    const seen = await eventually("the event loop's lag is seen", async () => {
      system.api.kill("SIGSTOP")
      await sleep(FROZEN_MS)
      system.api.kill("SIGCONT")
      // A scrape that is answered before the loop has turned would miss it.
      await fetch(`${system.operatorsUrl}/nothing`)
      const lag = (await scrape(system.operatorsUrl)).get("nodejs_eventloop_lag_max_seconds")
      return lag !== undefined && lag > FROZEN_MS / 2_000 ? lag : undefined
    })
    expect(seen).toBeGreaterThan(FROZEN_MS / 2_000)
  })

  it("the queue or the database is looked at; what is away tells nothing", async () => {
    const sampled = (source: string) =>
      `gofermart_fleet_sampled_timestamp_seconds{source="${source}"}`
    const now = Date.now() / 1_000
    await expectShown(system.operatorsUrl, sampled("queue"), (at) => at > now)
    await expectShown(system.operatorsUrl, sampled("database"), (at) => at > now)
    await expectShown(system.operatorsUrl, sampled("orders"), (at) => at > now)
    await system.database.client.$executeRaw`ALTER TABLE ledger_check RENAME TO hidden`
    await eventually("the ledger's metrics are gone, and no others", async () => {
      const samples = await scrape(system.operatorsUrl)
      const others = ["gofermart_orders_unfinished", "gofermart_polls_due"]
      return (
        !samples.has("gofermart_ledger_discrepancies") && others.every((one) => samples.has(one))
      )
    })
    await system.database.client.$executeRaw`ALTER TABLE hidden RENAME TO ledger_check`
    await expectShown(system.operatorsUrl, "gofermart_ledger_discrepancies", (found) => found === 0)
  })
})

describe("the reader of metrics refuses", () => {
  const head = "# HELP gofermart_x_total Of x.\n# TYPE gofermart_x_total counter\n"
  it.each([
    { text: `${head}gofermart_x_total 1\n`, problem: undefined },
    { text: `${head}gofermart_x_total one\n`, problem: "not a sample" },
    { text: `${head}gofermart_x_total 1`, problem: "the last line does not end" },
    { text: `${head}gofermart_x_total 1\ngofermart_x_total 2\n`, problem: "twice" },
    { text: `${head}gofermart_y_total 1\n`, problem: "not of the metric above" },
    { text: head.replaceAll("x_total", "x"), problem: "only they, end in _total" },
    { text: head.replaceAll("x_total", "x_ms_total"), problem: "not a base unit" },
    { text: head.split("\n").slice(1).join("\n"), problem: "has no help" },
    {
      text: `# HELP h Of h.\n# TYPE h histogram\nh_bucket{le="1"} 2\nh_bucket{le="+Inf"} 1\nh_sum 1\nh_count 1\n`,
      problem: "do not add up",
    },
  ])("$problem", ({ text, problem }) => {
    if (problem === undefined) expect(readExposition(text).get("gofermart_x_total")).toBe(1)
    else expect(() => readExposition(text)).toThrow(problem)
  })
})

function growth(before: Samples, now: Samples, series: string[]): Record<string, number> {
  const of = (one: string) => (now.get(one) ?? 0) - (before.get(one) ?? 0)
  return Object.fromEntries(series.map((one) => [one, of(one)]))
}
