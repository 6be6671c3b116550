import { setTimeout as wait } from "node:timers/promises"
import { type ScoringObserver } from "@gofermart/scoring-client/observe.ts"
import { parseRetryAfter } from "@gofermart/scoring-client/retry-after.ts"
import type { OrderNumber } from "@gofermart/shared/domain/order-number.ts"
import { readFindings } from "./read-findings.ts"
import type { Findings } from "./report.ts"
import { type Poll, findingOf } from "./finding.ts"

/** Called with what is going on, and how much of it is done. */
export type Progress = (doing: string, done: number, total: number) => void

const FAILURES_IN_A_ROW_MAX = 3
/** Of waiting out a Retry-After. */
const PAUSES_MAX = 10
const PAUSE_WAIT_MAX_MS = 120_000
const PROGRESS_INTERVAL_MS = 1_000

/**
 * Polls one order at a time, and collects what each shows. A refusal is waited out, as is a 503 that
 * says for how long, and the poll repeated. It stops by itself: when refused again right after
 * the wait, when a wait would be too long or there were too many, and when nothing is answered several
 * times in a row. From then on it polls nothing.
 */
export class Probe {
  readonly #observer: ScoringObserver
  readonly #findings: Findings
  readonly #progress: Progress
  #failuresInARow = 0
  #pauses = 0

  constructor(observer: ScoringObserver, findings: Findings, progress: Progress) {
    this.#observer = observer
    this.#findings = findings
    this.#progress = progress
  }

  /** Resolves with the poll and an answer that is no refusal; undefined when it has stopped. */
  async poll(number: OrderNumber, expected: Poll["expected"]): Promise<Poll | undefined> {
    if (this.#findings.isStopped) return undefined
    const poll = await this.#observe(number, expected)
    const pauseMs = pauseMsOf(poll)
    if (pauseMs === undefined) return poll
    if (!(await this.#waitOut(poll, pauseMs))) return undefined
    const again = await this.#observe(number, expected)
    if (again.observation.answer.kind === "too_many_requests") {
      const violation = "it refused again after Retry-After"
      this.#findings.add([findingOf(again, "limit_ends", violation)])
      this.#findings.stop(`${violation}, and was polled no more`)
      return undefined
    }
    const wasRefused = poll.observation.answer.kind === "too_many_requests"
    if (wasRefused && again.observation.answer.kind !== "unavailable") {
      this.#findings.add([findingOf(again, "limit_ends")])
    }
    return again
  }

  async #observe(number: OrderNumber, expected: Poll["expected"]): Promise<Poll> {
    const at = new Date()
    const begun = performance.now()
    const observation = await this.#observer.observe(number)
    const tookMs = Math.round(performance.now() - begun)
    const poll = { number, expected, observation, at, tookMs }
    this.#findings.add(readFindings(poll))
    this.#failuresInARow = observation.received === undefined ? this.#failuresInARow + 1 : 0
    if (this.#failuresInARow === FAILURES_IN_A_ROW_MAX) {
      this.#findings.stop(
        `${FAILURES_IN_A_ROW_MAX} polls in a row were not answered, and it was polled no more`,
      )
    }
    return poll
  }

  /** Whether it may be polled again. */
  async #waitOut({ observation: { received }, at }: Poll, pauseMs: number): Promise<boolean> {
    const said = parseRetryAfter(received?.response.retryAfter, at)
    if (said === undefined) {
      this.#findings.stop("it refuses and does not say until when, and was polled no more")
      return false
    }
    const pauseS = Math.ceil(pauseMs / 1_000)
    if (pauseMs > PAUSE_WAIT_MAX_MS) {
      const mostS = PAUSE_WAIT_MAX_MS / 1_000
      this.#findings.stop(`it refuses for ${pauseS} s; no more than ${mostS} s are waited out`)
      return false
    }
    this.#pauses += 1
    if (this.#pauses > PAUSES_MAX) {
      this.#findings.stop(`it refused more than ${PAUSES_MAX} times, and was polled no more`)
      return false
    }
    for (let waitedMs = 0; waitedMs < pauseMs; waitedMs += PROGRESS_INTERVAL_MS) {
      this.#progress("seconds of Retry-After waited", Math.round(waitedMs / 1_000), pauseS)
      await wait(Math.min(PROGRESS_INTERVAL_MS, pauseMs - waitedMs))
    }
    this.#progress("seconds of Retry-After waited", pauseS, pauseS)
    return true
  }
}

/** For how long a 429 wants nobody to poll, or a 503 that says so. */
function pauseMsOf({ observation: { answer } }: Poll): number | undefined {
  const isPause = answer.kind === "too_many_requests" || answer.kind === "unavailable"
  return isPause ? answer.pauseMs : undefined
}
