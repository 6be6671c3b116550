import { describe, expect, it } from "vitest"
import { readLimit } from "./rate-limit.ts"

/** In characters: the longer body has 256 times as many. */
const BODY_LENGTH = 1024
const LONG_BODY_LENGTH = 256 * BODY_LENGTH
/** 256 would be in proportion, and 65,536 with the square of the length: no machine is that uneven. */
const RATIO_MAX = 4_096
/** Some systems count the time of a thread by hundredths of a second. */
const MEASURED_US_MIN = 30_000

/** The CPU time, in microseconds, that a read of such a body takes on average. */
function readUs(part: string, length: number): number {
  const body = part.repeat(Math.floor(length / part.length))
  expect(readLimit(body)).toBeUndefined()
  const begun = process.threadCpuUsage()
  for (let reads = 1; ; reads++) {
    readLimit(body)
    const { user, system } = process.threadCpuUsage(begun)
    if (user + system >= MEASURED_US_MIN) return (user + system) / reads
  }
}

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
  ])("is looked for in time that grows as a body full of %s does, no faster", (_, part) => {
    expect(readUs(part, LONG_BODY_LENGTH) / readUs(part, BODY_LENGTH)).toBeLessThan(RATIO_MAX)
  })
})
