import { gzipSync } from "node:zlib"
import type { OrderNumber } from "@gofermart/shared/domain/order-number.ts"
import { afterEach, beforeEach, describe, it } from "vitest"
import { type Case, expectFound } from "./expect-found.ts"
import { passWaits } from "./pass-waits.ts"
import {
  closeSystems,
  type Act,
  type Defect,
  INVALID,
  JSON_HEADERS,
  PROCESSED,
  PROCESSING,
  REGISTERED,
  type Answer,
  ZEROS,
} from "./scripted-system.ts"

beforeEach(passWaits)
afterEach(closeSystems)

/** Changes the answer about one known order. */
const about =
  (number: OrderNumber, change: (good: Answer) => Act): Defect =>
  (good, poll) =>
    poll.number === number ? change(good) : good
/** Answers about one known order with this JSON text. */
const saying = (number: OrderNumber, body: string) => about(number, (good) => ({ ...good, body }))
const processed = (accrual: string) =>
  saying(PROCESSED, `{"order":"${PROCESSED}","status":"PROCESSED","accrual":${accrual}}`)
const unknown =
  (change: (good: Answer) => Act): Defect =>
  (good, { isKnown }) =>
    isKnown ? good : change(good)

const OUR_HOURS = "polls again for 6 h, then an operator's"

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
    says: /the order is not a string/,
    client: /not usable: the order is not a string/,
  },
  {
    defect: "no number",
    does: saying(PROCESSED, `{"status":"PROCESSED","accrual":5}`),
    violates: ["echo"],
    says: /names no order/,
    client: /not usable: the answer names no order/,
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
    client: "polls again in about 1 s, then less and less often",
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
    client: /no answer: it answered 500; polls again in about 1 s.*without end/,
  },
  {
    defect: "no answer in time",
    does: about(PROCESSED, () => "hang"),
    pollTimeoutMs: 2_000,
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
    client: "opens a connection for every poll",
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

describe("found, with what our client makes of it:", () => {
  it.each(answers)("$defect", (found) => expectFound(found))
})
