import { afterEach, describe, it } from "vitest"
import { type Case, expectFound } from "./expect-found.ts"
import { closeSystems, httpDate, refusing, SENTENCE } from "./scripted-system.ts"

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
