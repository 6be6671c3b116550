import { createServer, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import { gzipSync } from "node:zlib"
import { type OrderNumber, withCheckDigit } from "@gofermart/shared/domain/order-number.ts"
import { afterEach, describe, expect, it } from "vitest"
import { checkConformance } from "./conformance.ts"
import type { PartId } from "./parts.ts"
import type { PartReport, Report } from "./report.ts"

/** Long enough that only what never answers is too slow. */
const QUESTION_TIMEOUT_MS = 2_000

interface Reply {
  status: number
  headers: Record<string, string>
  body: string | Buffer
}
/** What the scripted scoring system does: answer, close the connection, send bytes, or nothing. */
type Act = Reply | "close" | "hang" | { raw: string }
interface Question {
  number: string
  isKnown: boolean
  /** How often this number was asked about before. */
  before: number
}
/** Makes something else of the answer that a good scoring system gives. */
type Defect = (good: Reply, question: Question) => Act

const PROCESSED = withCheckDigit("10000000000001")
const INVALID = withCheckDigit("10000000000002")
const REGISTERED = withCheckDigit("10000000000003")
const PROCESSING = withCheckDigit("10000000000004")
const ZEROS = withCheckDigit("00000000000005")
const KNOWN: Record<string, object> = {
  [PROCESSED]: { order: PROCESSED, status: "PROCESSED", accrual: 729.98 },
  [INVALID]: { order: INVALID, status: "INVALID" },
  [REGISTERED]: { order: REGISTERED, status: "REGISTERED" },
  [PROCESSING]: { order: PROCESSING, status: "PROCESSING" },
  [ZEROS]: { order: ZEROS, status: "PROCESSED" },
}
const ORDERS = Object.keys(KNOWN).toSorted() as OrderNumber[]
const JSON_HEADERS = { "content-type": "application/json" }

const running: (() => void)[] = []
afterEach(() => {
  for (const close of running.splice(0)) close()
})

async function startSystem(defect: Defect): Promise<{ url: URL; asked: () => number }> {
  const counts = new Map<string, number>()
  const server = createServer((request, response) => {
    const number = request.url?.replace("/api/orders/", "") ?? ""
    const before = counts.get(number) ?? 0
    counts.set(number, before + 1)
    const order = KNOWN[number]
    const good =
      order === undefined
        ? { status: 204, headers: {}, body: "" }
        : { status: 200, headers: JSON_HEADERS, body: JSON.stringify(order) }
    act(defect(good, { number, isKnown: order !== undefined, before }), response)
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  running.push(() => {
    server.closeAllConnections()
    server.close()
  })
  return {
    url: new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}`),
    asked: () => counts.values().reduce((sum, count) => sum + count, 0),
  }
}

function act(acted: Act, response: ServerResponse): void {
  if (acted === "hang") return
  if (acted === "close") return void response.socket?.destroy()
  if ("raw" in acted) return void response.socket?.write(acted.raw)
  response.writeHead(acted.status, acted.headers).end(acted.body)
}

async function check(url: URL, limitWithin = 0): Promise<Report> {
  const outcome = await checkConformance(url, {
    orders: ORDERS,
    register: false,
    limitWithin,
    questionTimeoutMs: QUESTION_TIMEOUT_MS,
    progress: () => undefined,
  })
  if (outcome.kind !== "reported") throw new Error(outcome.reason)
  return outcome.report
}

const partOf = (report: Report, id: PartId): PartReport => {
  const found = report.parts.find(({ part }) => part === id)
  if (found === undefined) throw new Error(id)
  return found
}
const partsWith = (report: Report, verdict: PartReport["verdict"]) =>
  report.parts.filter((part) => part.verdict === verdict).map(({ part }) => part)

/** Changes the answer about one known order. */
const about =
  (number: OrderNumber, change: (good: Reply) => Act): Defect =>
  (good, question) =>
    question.number === number ? change(good) : good
/** Answers about one known order with this JSON text. */
const saying = (number: OrderNumber, body: string) => about(number, (good) => ({ ...good, body }))
const processed = (accrual: string) =>
  saying(PROCESSED, `{"order":"${PROCESSED}","status":"PROCESSED","accrual":${accrual}}`)
const unknown =
  (change: (good: Reply) => Act): Defect =>
  (good, { isKnown }) =>
    isKnown ? good : change(good)

const SENTENCE = "No more than 60 requests per minute allowed"
/** Refuses the question after so many about the same number. */
const refusing =
  (headers: Record<string, string>, body: string, times = 1): Defect =>
  (good, { isKnown, before }) =>
    !isKnown && before >= 3 && before < 3 + times
      ? { status: 429, headers: { "content-type": "text/plain", ...headers }, body }
      : good
const httpDate = (inMs: number) => new Date(Date.now() + inMs).toUTCString()

const OUR_HOURS = "asks again for 6 h, then an operator's"

describe("a good scoring system", () => {
  it("honours all that it shows, and nothing else counts as honoured", async () => {
    const { url } = await startSystem((good) => good)
    const report = await check(url)
    expect(partsWith(report, "violated")).toEqual([])
    expect(partsWith(report, "not_seen")).toEqual([
      "limit",
      "retry_after",
      "limit_sentence",
      "limit_ends",
      "registration",
      "reward",
    ])
    expect(report).toMatchObject({ honoured: report.parts.length - 6, violated: 0, notSeen: 6 })
    expect(partOf(report, "accrual")).toMatchObject({
      seen: { request: `GET /api/orders/${PROCESSED}`, status: 200 },
      client: "credits 729.98 points",
    })
    expect(partOf(report, "invalid")).toMatchObject({ client: /settles the order as INVALID/ })
  })

  it("that is not asked about a known order shows little", async () => {
    const { url } = await startSystem((good) => good)
    const outcome = await checkConformance(url, {
      orders: [],
      register: false,
      limitWithin: 0,
      progress: () => undefined,
    })
    expect(outcome.kind === "reported" && partsWith(outcome.report, "honoured")).toEqual([
      "answered",
      "keep_alive",
      "no_redirect",
      "unknown",
      "long_numbers",
    ])
  })
})

interface Case {
  defect: string
  does: Defect
  violates: PartId[]
  says: RegExp
  client: RegExp | string
  limitWithin?: number
}

const answers: Case[] = [
  {
    defect: "another order",
    does: saying(PROCESSED, `{"order":"${INVALID}","status":"PROCESSED","accrual":5}`),
    violates: ["echo"],
    says: /another order/,
    client: `not usable: it answered about another order; ${OUR_HOURS}`,
  },
  {
    defect: "the number as a JSON number",
    does: saying(PROCESSED, `{"order":${PROCESSED},"status":"PROCESSED","accrual":5}`),
    violates: ["echo"],
    says: /a JSON number, not a string/,
    client: /not usable/,
  },
  {
    defect: "no number",
    does: saying(PROCESSED, `{"status":"PROCESSED","accrual":5}`),
    violates: ["echo"],
    says: /names no order/,
    client: /not usable/,
  },
  {
    defect: "the number without its zeros",
    does: saying(ZEROS, `{"order":"${ZEROS.replace(/^0+/, "")}","status":"PROCESSED"}`),
    violates: ["echo", "leading_zeros"],
    says: /another order/,
    client: /not usable/,
  },
  {
    defect: "an accrual that is a string",
    does: processed('"5"'),
    violates: ["accrual"],
    says: /not a number/,
    client: `not usable: the accrual is not a number; ${OUR_HOURS}`,
  },
  {
    defect: "an accrual that is null",
    does: processed("null"),
    violates: ["accrual"],
    says: /not a number/,
    client: /not usable/,
  },
  {
    defect: "a negative accrual",
    does: processed("-5"),
    violates: ["accrual"],
    says: /out of range/,
    client: /not usable: the accrual is out of range/,
  },
  {
    defect: "an accrual over 10^9",
    does: processed("1000000000.01"),
    violates: ["accrual"],
    says: /out of range/,
    client: /not usable/,
  },
  {
    defect: "an accrual of three decimals",
    does: processed("72.995"),
    violates: ["accrual"],
    says: /more than two decimals, which our client rounds half up/,
    client: "credits 73.00 points",
  },
  {
    defect: "an accrual before the verdict",
    does: saying(REGISTERED, `{"order":"${REGISTERED}","status":"REGISTERED","accrual":5}`),
    violates: ["accrual_place"],
    says: /an accrual with REGISTERED/,
    client: "asks again in about 1 s, then less and less often",
  },
  {
    defect: "an unknown status",
    does: saying(PROCESSING, `{"order":"${PROCESSING}","status":"NEW"}`),
    violates: ["status"],
    says: /none of the four/,
    client: /not usable: the status/,
  },
  {
    defect: "an empty 200",
    does: saying(PROCESSED, ""),
    violates: ["json"],
    says: /empty/,
    client: /not usable: the body is not a JSON object/,
  },
  {
    defect: "a body that is no object",
    does: saying(PROCESSED, "[]"),
    violates: ["json"],
    says: /not a JSON object/,
    client: /not usable/,
  },
  {
    defect: "JSON declared as text/html",
    does: about(PROCESSED, (good) => ({ ...good, headers: { "content-type": "text/html" } })),
    violates: ["json"],
    says: /declared as text\/html/,
    client: /not usable: the body is not declared as JSON/,
  },
  {
    defect: "gzip, unasked",
    does: about(PROCESSED, ({ status, headers, body }) => ({
      status,
      headers: { ...headers, "content-encoding": "gzip" },
      body: gzipSync(body),
    })),
    violates: ["no_compression"],
    says: /compressed with gzip/,
    client: /not usable: the body is compressed/,
  },
  {
    defect: "404 for a known order",
    does: about(PROCESSED, (good) => ({ ...good, status: 404 })),
    violates: ["known"],
    says: /it answered 404/,
    client: /not usable: it answered 404/,
  },
  {
    defect: "404 for an unknown order",
    does: unknown((good) => ({ ...good, status: 404 })),
    violates: ["unknown", "long_numbers"],
    says: /it answered 404, not 204/,
    client: /not usable: it answered 404/,
  },
  {
    defect: "400 for a long number",
    does: (good, { number }) => (number.length === 255 ? { ...good, status: 400 } : good),
    violates: ["unknown", "long_numbers"],
    says: /it answered 400/,
    client: /not usable/,
  },
  {
    defect: "an order that nobody registered",
    does: (good, { number, isKnown }) =>
      isKnown
        ? good
        : { status: 200, headers: JSON_HEADERS, body: `{"order":"${number}","status":"INVALID"}` },
    violates: ["unknown"],
    says: /made up just now/,
    client: /settles the order as INVALID/,
  },
  {
    defect: "a 204 that announces a body",
    does: unknown((good) => ({ ...good, headers: { "content-length": "2" } })),
    violates: ["unknown"],
    says: /announces a body/,
    client: /UNREGISTERED after the grace time/,
  },
  {
    defect: "a 204 with a body",
    does: unknown(() => ({ raw: "HTTP/1.1 204 No Content\r\ncontent-length: 2\r\n\r\n{}" })),
    violates: ["answered"],
    says: /Parse Error/,
    client: /no answer/,
  },
  {
    defect: "a redirect",
    does: about(PROCESSED, () => ({
      status: 302,
      headers: { location: "http://127.0.0.1:9/" },
      body: "",
    })),
    violates: ["no_redirect"],
    says: /leads to http:\/\/127\.0\.0\.1:9\//,
    client: /not usable: it answered 302/,
  },
  {
    defect: "a 500",
    does: about(PROCESSED, (good) => ({ ...good, status: 500 })),
    violates: ["answered"],
    says: /it answered 500/,
    client: /no answer: it answered 500; asks again in about 1 s.*without end/,
  },
  {
    defect: "no answer in time",
    does: about(PROCESSED, () => "hang"),
    violates: ["answered"],
    says: /Timeout/,
    client: /no answer/,
  },
  {
    defect: "a closed connection",
    does: about(PROCESSED, () => "close"),
    violates: ["answered"],
    says: /hang up|reset/i,
    client: /no answer/,
  },
  {
    defect: "a body over 16 KiB",
    does: saying(PROCESSED, JSON.stringify("x".repeat(20_000))),
    violates: ["answered"],
    says: /over 16384 bytes/,
    client: /not usable/,
  },
  {
    defect: "a connection for each answer",
    does: (good) => ({ ...good, headers: { ...good.headers, connection: "close" } }),
    violates: ["keep_alive"],
    says: /closes them/,
    client: "opens a connection for every question",
  },
  {
    defect: "another verdict later",
    does: (good, { number, before }) =>
      number === PROCESSED && before === 2
        ? { ...good, body: `{"order":"${PROCESSED}","status":"INVALID"}` }
        : good,
    violates: ["verdict_stays"],
    says: /first PROCESSED 729\.98, then INVALID/,
    client: "keeps to the first verdict",
  },
  {
    defect: "other points later",
    does: (good, { number, before }) =>
      number === PROCESSED && before === 1
        ? { ...good, body: `{"order":"${PROCESSED}","status":"PROCESSED","accrual":5}` }
        : good,
    violates: ["verdict_stays"],
    says: /first PROCESSED 729\.98, then PROCESSED 5/,
    client: "keeps to the first verdict",
  },
]

const refusals: Case[] = [
  {
    defect: "without Retry-After",
    does: refusing({}, SENTENCE),
    violates: ["retry_after"],
    says: /no Retry-After/,
    client: "pauses the whole fleet for 60 s; reads 60 a minute",
  },
  {
    defect: "with a Retry-After that is rubbish",
    does: refusing({ "retry-after": "soon" }, SENTENCE),
    violates: ["retry_after"],
    says: /"soon": no seconds, no HTTP date/,
    client: /pauses the whole fleet for 60 s/,
  },
  {
    defect: "with a Retry-After that is past",
    does: refusing({ "retry-after": httpDate(-60_000) }, SENTENCE),
    violates: ["retry_after"],
    says: /at once/,
    client: /pauses the whole fleet for 1 s/,
  },
  {
    defect: "with a Retry-After of an hour",
    does: refusing({ "retry-after": "3600" }, SENTENCE),
    violates: ["retry_after"],
    says: /longer than any pause of ours/,
    client: /pauses the whole fleet for 600 s/,
  },
  {
    defect: "without a body",
    does: refusing({ "retry-after": "1" }, ""),
    violates: ["limit_sentence"],
    says: /No more than N requests/,
    client: "pauses the whole fleet for 1 s",
  },
  {
    defect: "with its sentence as HTML",
    does: refusing({ "retry-after": "1", "content-type": "text/html" }, SENTENCE),
    violates: ["limit_sentence"],
    says: /declared as text\/html/,
    client: /reads 60 a minute/,
  },
  {
    defect: "again, right after the wait",
    does: refusing({ "retry-after": "1" }, SENTENCE, 100),
    violates: ["limit_ends"],
    says: /refused again after Retry-After/,
    client: /pauses the whole fleet for 1 s/,
  },
].map((refusal) => ({ ...refusal, violates: refusal.violates as PartId[], limitWithin: 10 }))

describe("found, with what our client makes of it:", () => {
  it.each(answers)("$defect", (found) => expectFound(found))
  it.each(refusals)("429 $defect", (found) => expectFound(found))

  async function expectFound({ does, violates, says, client, limitWithin }: Case): Promise<void> {
    const { url } = await startSystem(does)
    const report = await check(url, limitWithin)
    expect(partsWith(report, "violated").toSorted()).toEqual(violates.toSorted())
    const found = partOf(report, violates[0] ?? "answered")
    expect(found).toMatchObject({
      verdict: "violated",
      violation: expect.stringMatching(says),
      client: typeof client === "string" ? client : expect.stringMatching(client),
    })
  }
})

describe("the kit itself", () => {
  it("meets the limit, waits Retry-After out, and asks no more than that", async () => {
    const { url, asked } = await startSystem(refusing({ "retry-after": "1" }, SENTENCE))
    const report = await check(url, 10)
    expect(partsWith(report, "violated")).toEqual([])
    expect(partsWith(report, "not_seen")).toEqual(["registration", "reward"])
    expect(partOf(report, "limit_ends")).toMatchObject({ seen: { status: 204 } })
    const before = await startSystem((good) => good)
    await check(before.url)
    expect(asked()).toBe(before.asked() + 5)
  })

  it("takes a Retry-After that is a date", async () => {
    // Made when it answers: a slow machine may come to the refusal late.
    const { url } = await startSystem((good, question) =>
      refusing({ "retry-after": httpDate(2_000) }, SENTENCE)(good, question),
    )
    const report = await check(url, 10)
    expect(partsWith(report, "violated")).toEqual([])
    expect(partOf(report, "limit_ends")).toMatchObject({ verdict: "honoured" })
  })

  it("says so when nothing was refused within the questions it may ask", async () => {
    const { url, asked } = await startSystem((good) => good)
    const report = await check(url, 5)
    const reason = expect.stringContaining("it refused none of 5 questions")
    expect(partOf(report, "limit")).toMatchObject({ verdict: "not_seen", reason })
    const before = await startSystem((good) => good)
    await check(before.url)
    expect(asked()).toBe(before.asked() + 5)
  })

  it("does not wait for minutes: a refusal that is too long ends the questions", async () => {
    const long: Defect = () => ({
      status: 429,
      headers: { "content-type": "text/plain", "retry-after": "300" },
      body: SENTENCE,
    })
    const { url, asked } = await startSystem(long)
    const report = await check(url, 10)
    expect(partsWith(report, "honoured")).toEqual([
      "answered",
      "no_redirect",
      "no_compression",
      "limit",
      "retry_after",
      "limit_sentence",
    ])
    const reason = expect.stringContaining("it refuses for 300 s")
    expect(partOf(report, "known")).toMatchObject({ verdict: "not_seen", reason })
    expect(asked()).toBe(1)
  })

  it("asks no more when several questions in a row are not answered", async () => {
    const { url, asked } = await startSystem(() => "close")
    const report = await check(url, 10)
    expect(asked()).toBe(3)
    expect(partsWith(report, "violated")).toEqual(["answered"])
    expect(report.honoured).toBe(0)
  })

  it("says that nothing listens, and why", async () => {
    const { url } = await startSystem((good) => good)
    for (const close of running.splice(0)) close()
    const options = { orders: [], register: false, limitWithin: 0, progress: () => undefined }
    expect(await checkConformance(url, options)).toEqual({
      kind: "unreachable",
      reason: expect.stringContaining("ECONNREFUSED"),
    })
  })
})
