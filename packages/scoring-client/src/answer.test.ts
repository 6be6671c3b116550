import { withCheckDigit } from "@gofermart/shared/domain/order-number.ts"
import { describe, expect, it } from "vitest"
import { readAnswer, type ScoringResponse } from "./answer.ts"

const NUMBER = withCheckDigit("237722562")
const NOW = new Date("2026-11-22T12:00:00Z")

/** Reads the answer to a poll about `NUMBER`; what is not given is as the protocol has it. */
function read(response: Partial<ScoringResponse>) {
  const usual = {
    status: 200,
    contentType: "application/json",
    contentEncoding: undefined,
    retryAfter: undefined,
    body: "",
  }
  return readAnswer(NUMBER, { ...usual, ...response }, NOW)
}

const readBody = (body: string) => read({ body })
/** Reads a PROCESSED answer whose accrual is this JSON text. */
const readAccrual = (accrual: string) =>
  readBody(`{"order":"${NUMBER}","status":"PROCESSED","accrual":${accrual}}`)

const valid = (answer: object) => ({ kind: "valid", answer })
const credit = (points: number) => valid({ kind: "PROCESSED", points })
/** An answer that cannot be used, which is never a credit. */
const broken = { kind: "broken", reason: expect.any(String) }

describe("a 200 about the order", () => {
  it("that is PROCESSED is a credit", () => {
    expect(readAccrual("729.98")).toEqual(credit(72_998))
    expect(readAccrual("500")).toEqual(credit(50_000))
  })

  it("that is PROCESSED without an accrual is a credit of nothing", () => {
    expect(readBody(`{"order":"${NUMBER}","status":"PROCESSED"}`)).toEqual(credit(0))
  })

  it("that is INVALID is a verdict, and its accrual means nothing", () => {
    const verdict = valid({ kind: "INVALID" })
    expect(readBody(`{"order":"${NUMBER}","status":"INVALID"}`)).toEqual(verdict)
    expect(readBody(`{"order":"${NUMBER}","status":"INVALID","accrual":5}`)).toEqual(verdict)
  })

  it.each(["REGISTERED", "PROCESSING"])("that is %s is no verdict", (status) => {
    const notFinal = valid({ kind: "NOT_FINAL" })
    expect(readBody(`{"order":"${NUMBER}","status":"${status}"}`)).toEqual(notFinal)
    expect(readBody(`{"order":"${NUMBER}","status":"${status}","accrual":500}`)).toEqual(notFinal)
  })

  it.each(['"NEW"', '"DONE"', '"processed"', '"PROCESSED "', '""', "null", "1", '["PROCESSED"]'])(
    "with the status %s is broken",
    (status) => {
      expect(readBody(`{"order":"${NUMBER}","status":${status},"accrual":5}`)).toEqual(broken)
    },
  )

  it("without a status is broken", () => {
    expect(readBody(`{"order":"${NUMBER}","accrual":5}`)).toEqual(broken)
  })

  it("may hold white space, other fields, and its fields in any order", () => {
    const body = ` {"shop": {"id": 7},\n "accrual": 5, "status": "PROCESSED", "order":"${NUMBER}"} \n`
    expect(readBody(body)).toEqual(credit(500))
  })

  it("that says something twice counts with what it said last", () => {
    const twice = (fields: string) => readBody(`{"order":"${NUMBER}",${fields}}`)
    expect(twice('"status":"PROCESSED","accrual":500,"accrual":5')).toEqual(credit(500))
    expect(twice('"status":"PROCESSED","accrual":5,"accrual":-5')).toEqual(broken)
    expect(twice('"status":"PROCESSED","accrual":5,"accrual":72.995')).toEqual(credit(7_300))
    expect(twice('"status":"PROCESSED","accrual":5,"status":"INVALID"')).toEqual(
      valid({ kind: "INVALID" }),
    )
    expect(twice('"status":"PROCESSED","accrual":5,"order":"18"')).toEqual(broken)
  })
})

describe("an accrual", () => {
  it.each([
    ["0", 0],
    ["0.00", 0],
    ["0.01", 1],
    ["10.00", 1_000],
    ["0.30000000000000004", 30],
    ["1e-9", 0],
    ["72.995", 7_300],
    ["72.994999999999999", 7_299],
    ["1.005", 101],
    ["2.675", 268],
    ["0.005", 1],
    ["5e2", 50_000],
    ["1E+2", 10_000],
    ["1000000000", 100_000_000_000],
    ["1e9", 100_000_000_000],
    ["1000000000.004", 100_000_000_000],
  ])("of %s is a credit of %d hundredths", (accrual, hundredths) => {
    expect(readAccrual(accrual)).toEqual(credit(hundredths))
  })

  it.each([
    "-5",
    "-0.01",
    "-1e-9",
    "1e309",
    "-1e309",
    "10000000000",
    "1e10",
    "1000000000.005",
    "1000000000.01",
    "9007199254740993",
    "1e99999999",
  ])("of %s, out of range, is broken", (accrual) => {
    expect(readAccrual(accrual)).toEqual(broken)
  })

  it.each(["NaN", "Infinity", "+5", "05", ".5", "5.", "0x10", "1_000", "5n", "", "five"])(
    "of %j, which is no JSON, is broken",
    (accrual) => expect(readAccrual(accrual)).toEqual(broken),
  )

  it.each(['"10"', '"10.00"', '""', "null", "true", "false", "[]", "[5]", "{}"])(
    "of %s, which is no number, is broken",
    (accrual) => expect(readAccrual(accrual)).toEqual(broken),
  )

  it("is not to be found in an object, whatever its fields are called", () => {
    for (const accrual of [
      '{"value":5}',
      '{"text":"5"}',
      '{"source":"5"}',
      '{"accrual":5}',
      '{"__proto__":{"text":"5"}}',
      '{"constructor":{"name":"NumberSource"},"text":"5"}',
    ]) {
      expect(readAccrual(accrual)).toEqual(broken)
    }
  })

  it("of a thousand digits is broken", () => {
    expect(readAccrual("9".repeat(1_000))).toEqual(broken)
    expect(readAccrual(`0.${"9".repeat(1_000)}`)).toEqual(broken)
  })
})

describe("an answer about another order", () => {
  const processed = (order: string) => `{${order}"status":"PROCESSED","accrual":500}`

  it.each(['"18"', `"0${NUMBER}"`, `" ${NUMBER}"`, '""'])("is broken: %s", (order) => {
    const reason = "it answered about another order"
    expect(readBody(processed(`"order":${order},`))).toEqual({ kind: "broken", reason })
  })

  it.each([NUMBER, `["${NUMBER}"]`, "{}", "true"])("is none that names it as %s", (order) => {
    const reason = "the order is not a string"
    expect(readBody(processed(`"order":${order},`))).toEqual({ kind: "broken", reason })
  })

  it("is none that names no order", () => {
    const answer = { kind: "broken", reason: "the answer names no order" }
    for (const order of ["", '"order":null,', `"Order":"${NUMBER}",`]) {
      expect(readBody(processed(order))).toEqual(answer)
    }
    expect(readBody("{}")).toEqual(answer)
  })

  it("is one that names it in the prototype only", () => {
    const order = `{"order":"${NUMBER}","status":"PROCESSED","accrual":500}`
    expect(readBody(`{"__proto__":${order}}`)).toEqual(broken)
    expect(readBody(`{"constructor":{"prototype":${order}}}`)).toEqual(broken)
  })

  it("is not made by a prototype beside the order's own fields", () => {
    const fields = `"order":"${NUMBER}","status":"PROCESSED","accrual":5`
    expect(readBody(`{"__proto__":{"accrual":500},${fields}}`)).toEqual(credit(500))
    const withoutAccrual = `"order":"${NUMBER}","status":"PROCESSED"`
    expect(readBody(`{"__proto__":{"accrual":500},${withoutAccrual}}`)).toEqual(credit(0))
    expect(Object.hasOwn(Object.prototype, "accrual")).toBe(false)
  })
})

describe("a body that is no JSON object", () => {
  const noObject = { kind: "broken", reason: "the body is not a JSON object" }
  const whole = `{"order":"${NUMBER}","status":"PROCESSED","accrual":500}`

  it.each(["[]", `[${whole}]`, "null", "true", '"PROCESSED"'])("is broken: %s", (body) =>
    expect(readBody(body)).toEqual(noObject),
  )

  it.each(["5", "729.98", "0", "1e309"])("is broken when it is a bare number: %s", (body) => {
    expect(readBody(body)).toEqual(broken)
  })

  it("is broken wherever it is cut", () => {
    for (let length = 0; length < whole.length; length++) {
      expect(readBody(whole.slice(0, length))).toEqual(noObject)
    }
    expect(readBody(whole)).toEqual(credit(50_000))
  })

  it.each([
    "",
    " ",
    "<html><body>It works!</body></html>",
    `${whole}${whole}`,
    `${whole},`,
    `\ufeff\ufeff${whole}`,
    `{'order':'${NUMBER}','status':'PROCESSED'}`,
    `{"order":"${NUMBER}","status":"PROCESSED",}`,
    `{"order":"${NUMBER}","status":"PROCESSED"} // done`,
    "\u0000",
  ])("is broken: %j", (body) => expect(readBody(body)).toEqual(noObject))

  it("is one after a byte order mark", () => {
    expect(readBody(`\ufeff${whole}`)).toEqual(credit(50_000))
  })

  it("is broken when it is nested as deep as a body can be", () => {
    for (const body of ["[".repeat(8_000) + "]".repeat(8_000), '{"a":'.repeat(3_000)]) {
      expect(readBody(body)).toEqual(noObject)
    }
    const deep = `{"order":"${NUMBER}","status":"PROCESSED","accrual":${"[".repeat(8_000)}`
    expect(readBody(deep)).toEqual(noObject)
  })
})

describe("the headers of a 200", () => {
  const body = `{"order":"${NUMBER}","status":"PROCESSED","accrual":5}`

  it.each([
    "application/json",
    "application/json; charset=utf-8",
    "Application/JSON;charset=UTF-8",
  ])("may declare %s", (contentType) => expect(read({ body, contentType })).toEqual(credit(500)))

  it.each([
    undefined,
    "",
    "text/html",
    "text/html; charset=utf-8",
    "text/plain",
    "text/json",
    "text/plain; application/json",
    "application/jsonp",
    "application/octet-stream",
    "xapplication/json",
  ])("make the answer broken when they declare %s, whatever the body is", (contentType) => {
    expect(read({ body, contentType })).toEqual(broken)
  })

  it.each(["gzip", "br", "deflate", "zstd", "gzip, gzip", "identity, gzip", "GZIP"])(
    "make the answer broken when they declare the encoding %j, which nobody asked for",
    (contentEncoding) => expect(read({ body, contentEncoding })).toEqual(broken),
  )

  it.each(["identity", "Identity", "identity, IDENTITY", ""])(
    "change nothing when they declare the encoding %j",
    (contentEncoding) => {
      expect(read({ body, contentEncoding })).toEqual(read({ body }))
    },
  )
})

describe("any other status", () => {
  const body = `{"order":"${NUMBER}","status":"PROCESSED","accrual":500}`

  it("204 says that the order is not known, whatever else it holds", () => {
    const unknown = valid({ kind: "NOT_REGISTERED" })
    expect(read({ status: 204 })).toEqual(unknown)
    expect(read({ status: 204, contentType: undefined })).toEqual(unknown)
    expect(read({ status: 204, body })).toEqual(unknown)
  })

  it("429 pauses for as long as it says", () => {
    const tooMany = (pauseMs: number) => ({ kind: "too_many_requests", pauseMs })
    expect(read({ status: 429, retryAfter: "60" })).toEqual(tooMany(60_000))
    expect(read({ status: 429, retryAfter: "Sun, 22 Nov 2026 12:00:30 GMT" })).toEqual(
      tooMany(30_000),
    )
    expect(read({ status: 429, contentType: "text/plain", body })).toEqual(tooMany(60_000))
  })

  it("429 tells the limit where its body does", () => {
    const refusal = { status: 429, contentType: "text/plain", retryAfter: "7" }
    const limited = { kind: "too_many_requests", pauseMs: 7_000, limitPerMinute: 120 }
    const sentence = "No more than 120 requests per minute allowed"
    expect(read({ ...refusal, body: sentence })).toEqual(limited)
    expect(read({ ...refusal, contentType: undefined, body: `${sentence}\n` })).toEqual(limited)
    expect(read({ ...refusal, body: "Slow down." })).not.toHaveProperty("limitPerMinute")
  })

  it.each([
    ["a verdict", { body }, credit(50_000)],
    [
      "no verdict yet",
      { body: body.replace("PROCESSED", "PROCESSING") },
      valid({ kind: "NOT_FINAL" }),
    ],
    ["an order that is not known", { status: 204 }, valid({ kind: "NOT_REGISTERED" })],
    ["what cannot be used", { status: 404 }, broken],
    ["a redirect", { status: 301 }, broken],
    ["an outage", { status: 500 }, { kind: "unavailable", reason: "it answered 500" }],
  ])("%s may say when to poll its order again, to 24 h from now", (_what, given, answer) => {
    const readWait = (retryAfter: string) => read({ ...given, retryAfter })
    expect(readWait("3600")).toEqual({ ...answer, orderWaitMs: 3_600_000 })
    expect(readWait("1000000000")).toEqual({ ...answer, orderWaitMs: 86_400_000 })
    expect(readWait("Sun, 22 Nov 2026 12:00:30 GMT")).toEqual({ ...answer, orderWaitMs: 30_000 })
    const past = "Sun, 22 Nov 2026 11:59:30 GMT"
    for (const nothing of ["0", "-5", "soon", "", past]) expect(readWait(nothing)).toEqual(answer)
  })

  it("503 that says for how long is an outage that pauses, for ten minutes at most", () => {
    const down = { kind: "unavailable", reason: "it answered 503" }
    const readDown = (retryAfter: string) => read({ status: 503, retryAfter })
    expect(readDown("120")).toEqual({ ...down, orderWaitMs: 120_000, pauseMs: 120_000 })
    expect(readDown("3600")).toEqual({ ...down, orderWaitMs: 3_600_000, pauseMs: 600_000 })
    const soon = "Sun, 22 Nov 2026 12:00:00 GMT"
    expect(readDown(soon)).toEqual(down)
    expect(readDown("soon")).toEqual(down)
  })

  it.each([500, 501, 502, 503, 504, 507, 599])("%d is an outage", (status) => {
    expect(read({ status, body })).toEqual({
      kind: "unavailable",
      reason: `it answered ${status}`,
    })
  })

  it.each([201, 202, 203, 205, 206, 207, 300, 301, 302, 303, 304, 307, 308])(
    "%d is broken, even with an order in its body",
    (status) => expect(read({ status, body })).toEqual(broken),
  )

  it.each([400, 401, 403, 404, 405, 408, 410, 418, 422, 451])(
    "%d is broken, and the reason names it",
    (status) => {
      expect(read({ status, body })).toEqual({ kind: "broken", reason: `it answered ${status}` })
    },
  )
})

describe("an answer that cannot be used says why", () => {
  const about = (more: string) => `{"order":"${NUMBER}",${more}}`

  it.each([
    ["the body is compressed, unasked", { contentEncoding: "gzip" }],
    ["the body is not declared as JSON", { contentType: "text/html" }],
    ["the status is not one of the protocol's", { body: about(`"status":"DONE"`) }],
    ["the accrual is not a number", { body: about(`"status":"PROCESSED","accrual":"1"`) }],
    ["the accrual is out of range", { body: about(`"status":"PROCESSED","accrual":-1`) }],
  ] as [string, Partial<ScoringResponse>][])("%s", (reason, response) => {
    expect(read(response)).toEqual({ kind: "broken", reason })
  })
})
