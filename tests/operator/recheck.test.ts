import type { OrderNumber } from "@gofermart/shared/domain/order-number.ts"
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest"
import { createDatabase, type TestDatabase } from "../harness/database.ts"
import { tableSnapshot } from "../harness/table-snapshot.ts"
import { createUser, processed, recordOne, settleOne } from "../harness/ledger.ts"
import { newNumber, newNumbers } from "../harness/numbers.ts"
import {
  json,
  order,
  type ScriptedScoring,
  startScriptedScoring,
  unknown,
} from "@gofermart/scoring-simulator/scripted.ts"
import { runProgram } from "./run.ts"
import { AT, counts, DAY, INVALID, NOT_REGISTERED, SettledOrders } from "./settled-orders.ts"

/** That it reads at a time. */
const ORDERS_PER_PAGE = 100

describe("recheck", () => {
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

  it("finds nothing when all is answered as it was settled: 0", async () => {
    await orders.add(processed(72_998), AT, order("PROCESSED", "729.98"))
    await orders.add(processed(0), AT, order("PROCESSED"))
    await orders.add(INVALID, AT, order("INVALID"))
    await orders.add(NOT_REGISTERED, AT, unknown)
    expect(await orders.recheck(...DAY)).toEqual({ code: 0, said: counts(4, 4) })
  })

  it("tells each order that is answered otherwise: 1, and not a row has changed", async () => {
    const at = (second: number) => `2026-03-01T12:00:0${second}.000001Z`
    const more = await orders.add(processed(100), at(0), order("PROCESSED", "1.01"))
    const none = await orders.add(processed(100), at(1), order("INVALID"))
    const some = await orders.add(INVALID, at(2), order("PROCESSED"))
    const late = await orders.add(NOT_REGISTERED, at(3), order("PROCESSED", "5"))
    const open = await orders.add(processed(100), at(4), order("PROCESSING"))
    const gone = await orders.add(INVALID, at(5), unknown)
    const same = await orders.add(processed(9_007_199_254_740_991), at(6), json("<maintenance>"))
    const before = await tableSnapshot(test)
    const { code, said } = await orders.recheck(...DAY)
    expect(await tableSnapshot(test)).toEqual(before)
    expect(said).toBe(
      [
        `DIFFERENT    order ${more}: PROCESSED 1.00 since ${at(0)}, now PROCESSED 1.01\n`,
        `DIFFERENT    order ${none}: PROCESSED 1.00 since ${at(1)}, now INVALID\n`,
        `DIFFERENT    order ${some}: INVALID since ${at(2)}, now PROCESSED 0.00\n`,
        `DIFFERENT    order ${late}: UNREGISTERED since ${at(3)}, now PROCESSED 5.00\n`,
        `NOT FINAL    order ${open}: PROCESSED 1.00 since ${at(4)}, now not final\n`,
        `UNKNOWN      order ${gone}: INVALID since ${at(5)}, now not registered\n`,
        `UNUSABLE     order ${same}: PROCESSED 90071992547409.91 since ${at(6)}, ` +
          "now no answer that can be used (the body is not a JSON object)\n",
        counts(7, 0, { different: 4, "not final": 1, unknown: 1, unusable: 1 }),
      ].join(""),
    )
    expect(code).toBe(1)
  })

  it.each([
    { answer: INVALID, reply: order("REGISTERED"), code: 1 },
    { answer: INVALID, reply: unknown, code: 1 },
    { answer: INVALID, reply: json("{}"), code: 2 },
  ])("one that is not to be compared alone gives $code", async ({ answer, reply, code }) => {
    await orders.add(answer, AT, reply)
    await orders.add(INVALID, AT, order("INVALID"))
    expect((await orders.recheck(...DAY)).code).toBe(code)
  })

  it("takes the range from its first microsecond to the last before its end", async () => {
    const number = (at: string) => orders.add(INVALID, at, order("INVALID"))
    const before = await number("2026-02-28T23:59:59.999999Z")
    const first = await number("2026-03-01T00:00:00Z")
    const last = await number("2026-03-01T23:59:59.999999Z")
    const after = await number("2026-03-02T00:00:00Z")
    const polls = () => [before, first, last, after].map((one) => scoring.polls(one).length)
    expect(await orders.recheck(...DAY)).toEqual({ code: 0, said: counts(2, 2) })
    expect(polls()).toEqual([0, 1, 1, 0])
    const moved = [
      "--from",
      "2026-03-01T02:59:59.999999+03:00",
      "--to",
      "2026-03-01T23:59:59.999999Z",
    ]
    expect(await orders.recheck(...moved)).toEqual({ code: 0, said: counts(2, 2) })
    expect(polls()).toEqual([1, 2, 1, 0])
  })

  it("asks about neither unfinished orders nor those that only a withdrawal named", async () => {
    const userId = await createUser(test.client)
    const waiting = newNumber()
    await recordOne(test.client, userId, waiting)
    const now = Temporal.Now.instant()
    const range = [
      "--from",
      now.subtract({ hours: 1 }).toString(),
      "--to",
      now.add({ hours: 1 }).toString(),
    ]
    expect(await orders.recheck(...range)).toEqual({ code: 0, said: counts(0, 0) })
    expect(scoring.polls(waiting)).toEqual([])
  })

  it("asks about each order once, over pages of them settled in the same microsecond", async () => {
    const numbers = newNumbers(ORDERS_PER_PAGE + 1)
    await settledAtOnce(test, numbers, AT)
    for (const number of numbers) scoring.script(number, order("PROCESSED", "1"))
    const { code, said } = await orders.recheck(`--limit=${numbers.length}`, ...DAY)
    expect(said).toBe(counts(numbers.length, numbers.length))
    expect(code).toBe(0)
    for (const number of numbers) expect(scoring.polls(number)).toHaveLength(1)
  })

  it("ends at its limit, and says from where to go on", async () => {
    const at = (second: number) => `2026-03-01T12:00:0${second}.000000Z`
    await orders.add(INVALID, at(0), order("INVALID"))
    const second = await orders.add(INVALID, at(1), order("INVALID"))
    expect(await orders.recheck("--limit", "1", ...DAY)).toEqual({
      code: 0,
      said: `${counts(1, 1)}Ended early: --limit 1 is reached. To go on: --from ${at(1)}\n`,
    })
    expect(scoring.polls(second)).toEqual([])
    const rest = await orders.recheck("--limit", "1", "--from", at(1), "--to", "2026-03-02")
    expect(rest).toEqual({ code: 0, said: counts(1, 1) })
  })

  it.each([
    {
      args: ["--from", "yesterday", "--to", "2026-03-02"],
      says: "A time is ISO 8601 with its zone",
    },
    {
      args: ["--from", "2026-02-30", "--to", "2026-03-02"],
      says: "A time is ISO 8601 with its zone",
    },
    {
      args: ["--from", "2026-03-01T10:00:00", "--to", "2026-03-02"],
      says: "A time is ISO 8601 with",
    },
    {
      args: ["--from", "0000-03-01", "--to", "2026-03-02"],
      says: "A time is ISO 8601 with its zone",
    },
    { args: ["--from", "2026-03-02", "--to", "2026-03-02"], says: "--from must be before --to" },
    { args: ["--to", "2026-03-02"], says: "required option '--from <time>' not specified" },
    { args: [...DAY, "--pace", "601"], says: "It must be a whole number from 1 to 600." },
    { args: [...DAY, "--pace", "0"], says: "It must be a whole number from 1 to 600." },
    { args: [...DAY, "--limit", "1e9"], says: "It must be a whole number from 1 to 100000." },
  ])("given $args: 2, and what is wrong with it", async ({ args, says }) => {
    const { code, said } = await orders.recheck(...args)
    expect(said).toContain(says)
    expect(code).toBe(2)
  })

  it("without SCORING_URL: 78, and that it is missing; --help: 0, with every option", async () => {
    const unset = await runProgram({ DATABASE_URL: test.url }, ["recheck", ...DAY])
    expect(unset.said).toContain("SCORING_URL must be the scoring system's address")
    expect(unset.code).toBe(78)
    const { code, said } = await runProgram({}, ["recheck", "--help"])
    expect(code).toBe(0)
    for (const option of ["--from", "--to", "--pace", "--limit"]) expect(said).toContain(option)
  })
})

/** Orders of one user, PROCESSED with a point each, all at the same time. */
async function settledAtOnce(
  test: TestDatabase,
  numbers: OrderNumber[],
  at: string,
): Promise<void> {
  const userId = await createUser(test.client)
  for (const number of numbers) {
    const orderId = await recordOne(test.client, userId, number)
    await settleOne(test.client, orderId, processed(100))
  }
  await test.client.$executeRaw`UPDATE accruals SET updated_at = ${at}::timestamptz`
}
