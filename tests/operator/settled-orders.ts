import type { OrderNumber } from "@gofermart/shared/domain/order-number.ts"
import type { ScoringAnswer } from "@gofermart/shared/ledger/settle-accruals.ts"
import type { TestDatabase } from "../harness/database.ts"
import { createUser, recordOne, settleOne } from "../harness/ledger.ts"
import { newNumber } from "../harness/numbers.ts"
import type { Reply, ScriptedScoring } from "@gofermart/scoring-simulator/scripted.ts"
import { type Ended, runProgram } from "./run.ts"

export const INVALID: ScoringAnswer = { kind: "INVALID" }
export const NOT_REGISTERED: ScoringAnswer = { kind: "NOT_REGISTERED" }
export const DAY = ["--from", "2026-03-01", "--to", "2026-03-02"]
/** A time of that day. */
export const AT = "2026-03-01T12:00:00.000000Z"
/** As often as may be. */
export const FAST = ["--pace", "600"]

/** Orders that were settled at times of a test's choice, and a scoring system to ask again. */
export class SettledOrders {
  readonly #test: TestDatabase
  readonly #scoring: ScriptedScoring

  constructor(test: TestDatabase, scoring: ScriptedScoring) {
    this.#test = test
    this.#scoring = scoring
  }

  /** An order settled so, at that time; the scoring system answers about it in turn. */
  async add(answer: ScoringAnswer, at: string, ...replies: Reply[]): Promise<OrderNumber> {
    const number = newNumber()
    const { client } = this.#test
    this.#scoring.script(number, ...replies)
    const orderId = await recordOne(client, await createUser(client), number)
    await settleOne(client, orderId, answer)
    if (answer.kind === "NOT_REGISTERED") await settleOne(client, orderId, answer, 0)
    await client.$executeRaw`
      UPDATE accruals SET updated_at = ${at}::timestamptz WHERE order_id = ${orderId}`
    return number
  }

  env(scoringUrl = this.#scoring.url): Record<string, string> {
    return { DATABASE_URL: this.#test.url, SCORING_URL: scoringUrl, SCORING_TIMEOUT: "2s" }
  }

  recheck(...args: string[]): Promise<Ended> {
    return runProgram(this.env(), ["recheck", ...FAST, ...args])
  }
}

/** The last lines of a report. */
export function counts(polled: number, same: number, others: Record<string, number> = {}): string {
  const all = { different: 0, "not final": 0, unknown: 0, unusable: 0, ...others }
  const lines = Object.entries({ polled, same, ...all })
  return lines.map(([name, count]) => `${name.padEnd(12)} ${count}\n`).join("")
}
