import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest"
import { createDatabase, type TestDatabase } from "../harness/database.ts"
import { tableSnapshot } from "../harness/table-snapshot.ts"
import { eventually } from "../harness/eventually.ts"
import { processed } from "../harness/ledger.ts"
import {
  order,
  type ScriptedScoring,
  startScriptedScoring,
  status,
} from "@gofermart/scoring-simulator/scripted.ts"
import { runProgram, startProgram } from "./run.ts"
import { AT, counts, DAY, FAST, INVALID, SettledOrders } from "./settled-orders.ts"

/** Nothing listens there. */
const NOWHERE = "http://127.0.0.1:9"

describe("recheck, when it has to wait", () => {
  let test: TestDatabase
  let scoring: ScriptedScoring
  let orders: SettledOrders
  beforeAll(async () => {
    scoring = await startScriptedScoring()
  })
  afterAll(() => scoring.close())
  beforeEach(async () => {
    test = await createDatabase()
    orders = new SettledOrders(test, scoring)
  })

  it("keeps its pace", async () => {
    const numbers = []
    for (let i = 0; i < 5; i++) numbers.push(await orders.add(INVALID, AT, order("INVALID")))
    await runProgram(orders.env(), ["recheck", "--pace", "120", ...DAY])
    const polled = numbers.flatMap((number) => scoring.polls(number))
    expect(polled).toHaveLength(5)
    // Four times half a second, less what the first poll takes longer to arrive.
    expect((polled.at(-1) ?? 0) - (polled[0] ?? 0)).toBeGreaterThan(1_500)
  })

  it("waits a 429 out, says so, and asks about the same order again", async () => {
    const late = await orders.add(
      INVALID,
      AT,
      status(429, { "retry-after": "2" }),
      order("INVALID"),
    )
    const before = await tableSnapshot(test)
    expect(await orders.recheck(...DAY)).toEqual({
      code: 0,
      said: `Paused: the scoring system wants no requests for another 2 s.\n${counts(1, 1)}`,
    })
    const [first = 0, second = 0] = scoring.polls(late)
    expect(second - first).toBeGreaterThanOrEqual(2_000)
    // Its own 429 is not the fleet's.
    expect(await tableSnapshot(test)).toEqual(before)
  })

  it("waits a 503 out that says for how long", async () => {
    const late = await orders.add(
      INVALID,
      AT,
      status(503, { "retry-after": "2" }),
      order("INVALID"),
    )
    const { code, said } = await orders.recheck(...DAY)
    expect(said).toMatch(/^Paused: the scoring system wants no requests for another 2 s\.$/m)
    expect(code).toBe(0)
    const [first = 0, second = 0] = scoring.polls(late)
    expect(second - first).toBeGreaterThanOrEqual(2_000)
  })

  it("waits while the fleet pauses, and gives up a pause that is too long", async () => {
    const number = await orders.add(INVALID, AT, order("INVALID"))
    const pause = (seconds: number) => test.client.$executeRaw`
      INSERT INTO scoring_pause (paused_until)
      VALUES (clock_timestamp() + ${seconds}::int * interval '1 second')
          ON CONFLICT (id) DO UPDATE SET paused_until = excluded.paused_until`
    await pause(3_600)
    const given = await orders.recheck(...DAY)
    expect(given.said).toMatch(
      /^Ended early: nobody of the fleet polls for another 3[56]\d\d s, which is too long to wait\. To go on: --from 2026-03-01T12:00:00\.000000Z$/m,
    )
    expect(given.code).toBe(2)
    expect(scoring.polls(number)).toEqual([])
    await pause(0)
    // The fleet pauses while the first answer is under way: however long the command takes to start.
    let pausedAt = Infinity
    scoring.script(number, (request, response) => {
      pausedAt = performance.now()
      void pause(4).then(() => order("INVALID")(request, response))
    })
    const next = await orders.add(INVALID, "2026-03-01T13:00:00Z", order("INVALID"))
    const waited = await orders.recheck(...DAY)
    expect(waited.said).toMatch(/^Paused: nobody of the fleet polls for another [1-4] s\.$/m)
    expect(waited.code).toBe(0)
    expect((scoring.polls(next)[0] ?? 0) - pausedAt).toBeGreaterThanOrEqual(4_000)
  })

  it("outlasts a few failures, and gives up after ten in a row: 2, and from where to go on", async () => {
    const down = status(503)
    const nine = Array.from({ length: 9 }, () => down)
    const first = await orders.add(INVALID, AT, ...nine, order("PROCESSED", "1"))
    const second = await orders.add(INVALID, "2026-03-01T13:00:00.5Z", ...nine, down)
    const { code, said } = await orders.recheck(...DAY)
    expect(said).toContain(`DIFFERENT    order ${first}`)
    expect(said).toContain(counts(1, 0, { different: 1 }))
    expect(said).toContain(
      `Ended early: 10 times in a row there was no answer about order ${second} (it answered 503). ` +
        "To go on: --from 2026-03-01T13:00:00.500000Z\n",
    )
    expect(code).toBe(2)
    expect([first, second].map((number) => scoring.polls(number).length)).toEqual([10, 10])
  })

  it("with a scoring system that is away: 2", async () => {
    await orders.add(INVALID, AT, order("INVALID"))
    const { code, said } = await runProgram(orders.env(NOWHERE), ["recheck", ...FAST, ...DAY])
    expect(said).toContain("ECONNREFUSED")
    expect(said).toContain(`To go on: --from ${AT}\n`)
    expect(code).toBe(2)
  })

  it("with a database that fails in the middle: the report so far, and 2", async () => {
    const first = await orders.add(processed(100), AT, (number, response) => {
      void test.client.$executeRaw`ALTER TABLE scoring_pause RENAME TO away`.then(() =>
        order("INVALID")(number, response),
      )
    })
    await orders.add(INVALID, "2026-03-01T13:00:00Z")
    const { code, said } = await orders.recheck(...DAY)
    expect(said).toContain(`DIFFERENT    order ${first}: PROCESSED 1.00`)
    expect(said).toMatch(
      /^Ended early: .*scoring_pause.*To go on: --from 2026-03-01T13:00:00\.000000Z$/m,
    )
    expect(code).toBe(2)
  })

  it("interrupted in the middle of a poll: the report so far, and 2", async () => {
    const first = await orders.add(processed(100), AT, order("INVALID"))
    const silent = await orders.add(INVALID, "2026-03-01T13:00:00Z", () => {})
    const settings = { ...orders.env(), SCORING_TIMEOUT: "1h" }
    const running = startProgram(settings, ["recheck", ...FAST, ...DAY])
    await eventually("it asks", async () => scoring.polls(silent).length === 1)
    running.child.kill("SIGINT")
    const { code, said } = await running.ended
    expect(said).toContain(`DIFFERENT    order ${first}: PROCESSED 1.00`)
    expect(said).toContain(
      "Ended early: it was interrupted. To go on: --from 2026-03-01T13:00:00.000000Z\n",
    )
    expect(code).toBe(2)
  })
})
