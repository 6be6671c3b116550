import { setTimeout as sleep } from "node:timers/promises"
import type { Answer } from "@gofermart/scoring-client/answer.ts"
import type { ScoringClient } from "@gofermart/scoring-client/client.ts"
import type { Database } from "@gofermart/shared/db/client.ts"
import type { OrderNumber } from "@gofermart/shared/domain/order-number.ts"

/** In a row; then the scoring system is taken to be away. */
const UNAVAILABLE_ANSWERS_MAX = 10
/** That pauses are waited out for without an answer in between. */
const PAUSED_MAX_MS = 1_800_000

/** Workers' polls say that they are a worker's. */
const HEADERS = { "user-agent": "gofermart-recheck" }

export type PollResult =
  | Extract<Answer, { kind: "valid" | "broken" }>
  /** There will be no answer: it was interrupted, or is not worth going on. */
  | { kind: "stopped"; reason: string }

interface RateLimitedClientParts {
  database: Database
  scoring: ScoringClient
  requestsPerMinute: number
  /** Ends the polling, and any wait. */
  signal: AbortSignal
  /** Told when it waits for longer than the pace would have it. */
  tell: (line: string) => void
}

/**
 * Polls the scoring system as somebody who can wait: at a pace of its own, and not while the fleet
 * pauses. It keeps its own 429 to itself, since it is to write nothing; the workers will get theirs.
 */
export class RateLimitedClient {
  readonly #parts: RateLimitedClientParts
  /** Of this process's monotonic clock, in milliseconds. */
  #nextTurnAt = 0
  #pauseEndsAt = 0
  #pausedMs = 0
  #unavailable = 0

  constructor(parts: RateLimitedClientParts) {
    this.#parts = parts
  }

  /** Polls until there is an answer to compare, or it is stopped. Rejects when the database is away. */
  async poll(number: OrderNumber): Promise<PollResult> {
    const { scoring, signal } = this.#parts
    for (;;) {
      const stopped = await this.#takeTurn()
      if (stopped !== undefined) return stopped
      const answer = await scoring.poll(number, HEADERS)
      if (signal.aborted) return INTERRUPTED
      if (answer.kind !== "unavailable") this.#unavailable = 0
      switch (answer.kind) {
        case "valid":
        case "broken":
          this.#pausedMs = 0
          return answer
        case "too_many_requests":
          this.#pauseEndsAt = performance.now() + answer.pauseMs
          break
        case "unavailable":
          this.#unavailable += 1
          this.#pauseEndsAt = performance.now() + (answer.pauseMs ?? 0)
          if (this.#unavailable === UNAVAILABLE_ANSWERS_MAX) {
            const reason = `${this.#unavailable} times in a row there was no answer about order ${number} (${answer.reason})`
            return { kind: "stopped", reason }
          }
      }
    }
  }

  async #takeTurn(): Promise<PollResult | undefined> {
    const { requestsPerMinute, signal } = this.#parts
    await this.#sleep(this.#nextTurnAt - performance.now())
    for (;;) {
      if (signal.aborted) return INTERRUPTED
      const pause = await this.#longestPause()
      if (pause.ms <= 0) break
      this.#pausedMs += pause.ms
      const seconds = Math.ceil(pause.ms / 1_000)
      if (this.#pausedMs > PAUSED_MAX_MS) {
        const reason = `${pause.why} for another ${seconds} s, which is too long to wait`
        return { kind: "stopped", reason }
      }
      this.#parts.tell(`Paused: ${pause.why} for another ${seconds} s.`)
      // A timer may fire within the millisecond before.
      await this.#sleep(Math.ceil(pause.ms) + 1)
    }
    this.#nextTurnAt = performance.now() + 60_000 / requestsPerMinute
    return undefined
  }

  async #longestPause(): Promise<{ why: string; ms: number }> {
    const ownMs = this.#pauseEndsAt - performance.now()
    const fleetMs = await fleetPauseMs(this.#parts.database)
    return ownMs >= fleetMs
      ? { why: "the scoring system wants no requests", ms: ownMs }
      : { why: "nobody of the fleet polls", ms: fleetMs }
  }

  async #sleep(ms: number): Promise<void> {
    if (ms > 0) await sleep(ms, undefined, { signal: this.#parts.signal }).catch(() => {})
  }
}

const INTERRUPTED: PollResult = { kind: "stopped", reason: "it was interrupted" }

/** For how long the workers do not poll, by the database's clock; 0 without a pause. */
async function fleetPauseMs(database: Database): Promise<number> {
  const [row] = await database.$queryRaw<{ ms: number }[]>`
    SELECT (extract(epoch FROM paused_until - clock_timestamp()) * 1000)::float8 AS ms
      FROM scoring_pause WHERE paused_until > clock_timestamp()`
  return row?.ms ?? 0
}
