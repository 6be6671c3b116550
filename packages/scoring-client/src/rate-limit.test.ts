import { describe, expect, it } from "vitest"
import { readLimit } from "./rate-limit.ts"

/** As much as our client reads of a body. */
const BODY_LENGTH_MAX = 16 * 1024
const READ_MS_MAX = 100

describe("the limit in the body of a 429", () => {
  it.each([
    ["No more than 10 requests per minute allowed", 10],
    ["No more than 1 requests per minute allowed", 1],
    ["No more than 100000000 requests per minute allowed", 100_000_000],
    ["No more than 0010 requests per minute allowed", 10],
    ["NO MORE THAN 10 REQUESTS PER MINUTE ALLOWED", 10],
    ["no more than 10 requests per minute allowed.", 10],
    [" \r\n No  more\tthan 10\nrequests per minute allowed \n", 10],
    ['{"error":"No more than 10 requests per minute allowed"}', 10],
    ["<p>Slow down! No more than 10 requests per minute allowed, please.</p>", 10],
    ["No more than 5 requests per minute allowed. No more than 7 requests per minute allowed", 5],
  ])("of %j is %d", (body, limit) => {
    expect(readLimit(body)).toBe(limit)
  })

  it.each([
    "",
    "Too Many Requests",
    "No more than N requests per minute allowed",
    "No more than 0 requests per minute allowed",
    "No more than -5 requests per minute allowed",
    "No more than 1.5 requests per minute allowed",
    "No more than 1,000 requests per minute allowed",
    "No more than 1e3 requests per minute allowed",
    "No more than 0x10 requests per minute allowed",
    "No more than ١٢ requests per minute allowed",
    "No more than 100000001 requests per minute allowed",
    `No more than ${"9".repeat(400)} requests per minute allowed`,
    "No more than 10 requests per second allowed",
    "No more than 10 requests per minute",
    "Nomore than 10 requests per minute allowed",
    "Casino more than 10 requests per minute allowed",
  ])("of %j is none", (body) => {
    expect(readLimit(body)).toBeUndefined()
  })

  it.each([
    ["spaces", " "],
    ["digits", "9"],
    ["beginnings", "no more than 1"],
    ["beginnings with space", "no more than 1 "],
    ["almost sentences", "No more than 10 requests per minute allowe "],
  ])("is looked for in no time in a body full of %s", (_, part) => {
    const body = part.repeat(Math.floor(BODY_LENGTH_MAX / part.length))
    const begun = performance.now()
    expect(readLimit(body)).toBeUndefined()
    expect(performance.now() - begun).toBeLessThan(READ_MS_MAX)
  })
})
