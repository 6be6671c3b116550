import { ACCRUAL_QUEUE } from "@gofermart/shared/queue/poll-job.ts"
import * as fc from "fast-check"
import type { Known } from "./cases.ts"
import { PASSWORD, type People, type Person } from "./people.ts"

/** So few that they are drawn again, and found. */
const SOME = fc.nat({ max: 50 })
/** Hardly ever twice the same: small numbers are not preferred. */
const ANY = fc.noBias(fc.nat())

/** The cursor of each list's second page, by the list's path. */
export type Pages = Record<"orders" | "withdrawals" | "transactions", string>

export interface KnownThings {
  /** What there is, and what there is not. */
  mixed: Known
  /** What is not refused. */
  typical: Known
}

/** What one customer can name: things of their own, another's, and new ones. */
export function knownTo(
  sender: Person,
  bystander: Person,
  people: People,
  pages: Pages,
): KnownThings {
  const fresh = fc.oneof(SOME, ANY).map((drawn) => people.numberOf(sender, drawn))
  const own = fc.constantFrom(...sender.numbers)
  const foreign = fc.constantFrom(...bystander.numbers)
  const text = fc.string({ unit: "grapheme", minLength: 8, maxLength: 64 })
  const jobState = fc.constantFrom(
    "waiting",
    "prioritized",
    "delayed",
    "failed",
    "completed",
    "active",
    "latest",
  )
  const typical: Known = {
    "registerUser.login": ANY.map((drawn) => people.loginOf(drawn)),
    "logIn.login": fc.constant(sender.login),
    password: fc.constant(PASSWORD),
    new_password: text.map((drawn) => `${PASSWORD} ${drawn}`),
    // Of the board's routes, too.
    number: own,
    order: own,
    body: fresh,
    sum: fc.integer({ min: 1, max: 1_000 }).map((hundredths) => hundredths / 100),
    everywhere: fc.boolean(),
    "listOrders.cursor": fc.constant(pages.orders),
    "listWithdrawals.cursor": fc.constant(pages.withdrawals),
    "listTransactions.cursor": fc.constant(pages.transactions),
    "if-none-match": fc.constantFrom('"x"', 'W/"a", "b"'),
    "idempotency-key": fc.noBias(fc.uuid()),
    "last-event-id": fc.constantFrom("0", "1", "20", "999999999999999999", ""),
    prefer: fc.constantFrom("wait=0", "wait=0, return=minimal", "respond-async"),
    queueName: fc.constant(ACCRUAL_QUEUE),
    activeQueue: fc.constant(ACCRUAL_QUEUE),
    jobId: fresh.map((drawn) => `order-${drawn}`),
    queueStatus: jobState,
    status: jobState,
    file: fc.constantFrom("js/index.js", "images/logo.svg", "../package.json"),
  }
  return {
    typical,
    mixed: {
      ...typical,
      login: fc.oneof(
        fc.constantFrom(sender.login, bystander.login),
        ANY.map((drawn) => people.loginOf(drawn)),
      ),
      number: fc.oneof(own, foreign, fresh),
      order: fc.oneof(own, foreign, fresh),
      body: fc.oneof(own, foreign, fresh),
      "if-none-match": fc.constantFrom('"x"', "*", 'W/"a", "b"'),
    },
  }
}
