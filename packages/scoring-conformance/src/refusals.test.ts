import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { type Case, expectFound } from "./expect-found.ts"
import { passWaits } from "./pass-waits.ts"
import {
  checkSystem,
  closeSystems,
  type Defect,
  httpDate,
  checkOf,
  PROCESSING,
  refusing,
  SENTENCE,
  startSystem,
} from "./scripted-system.ts"

beforeEach(passWaits)
afterEach(closeSystems)

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
]

describe("found, with what our client makes of it: a 429", () => {
  it.each(refusals)("$defect", (found) => expectFound({ ...found, limitWithin: 10 }))
})

/** Answers about one known order with this status and Retry-After, so many times. */
const saying =
  (number: string, retryAfter: string, status = 200, times = Infinity): Defect =>
  (good, poll) =>
    poll.number === number && poll.before < times
      ? { ...good, status, headers: { ...good.headers, "retry-after": retryAfter } }
      : good

const waits: Case[] = [
  {
    defect: "that is rubbish",
    does: saying(PROCESSING, "soon"),
    violates: ["retry_after"],
    says: /"soon": no seconds, no HTTP date/,
    client: "polls again in about 1 s, then less and less often",
  },
  {
    defect: "of a week",
    does: saying(PROCESSING, "604800"),
    violates: ["retry_after"],
    says: /longer than any wait of ours/,
    client: "polls this order again in 86400 s or later",
  },
  {
    defect: "of a second, with a 503, which is waited out",
    does: saying(PROCESSING, "1", 503, 1),
    violates: ["answered"],
    says: /it answered 503/,
    client:
      "no answer: it answered 503; pauses the whole fleet for 1 s; " +
      "polls this order again in 1 s or later, without end",
  },
]

describe("found, with what our client makes of it: a Retry-After of another answer", () => {
  it.each(waits)("$defect", (found) => expectFound(found))

  it.each([
    [200, "polls this order again in 3600 s or later"],
    [301, expect.stringContaining("polls this order again in 3600 s or later for 6 h")],
    [404, expect.stringContaining("polls this order again in 3600 s or later for 6 h")],
  ])("of an hour is honoured with a %d", async (status, client) => {
    const { url } = await startSystem(saying(PROCESSING, "3600", status))
    expect(checkOf(await checkSystem(url), "retry_after")).toMatchObject({
      verdict: "honoured",
      client,
    })
  })
})
