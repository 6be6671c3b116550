import { setTimeout as sleep } from "node:timers/promises"
import { Gauge } from "prom-client"
import { withTimeout } from "../runtime/with-timeout.ts"
import type { Logger } from "../runtime/logger.ts"
import { type Reason, reasonNotWritable, REASONS } from "./reasons.ts"

/** Between two questions of this process, whoever wants to know. */
const ASK_INTERVAL_MS = 1_000
/** For an answer; what comes later counts for the next question. */
const ANSWER_DEADLINE_MS = 1_000
/** In a row, until a server that could be written counts as one that cannot. */
const FAILURES_MAX = 3

const notWritable = new Gauge({
  name: "gofermart_not_writable",
  help: "1 for the reason why this process cannot write to the database or the queue; else 0.",
  labelNames: ["part", "reason"],
})

export interface Finding {
  /** Questions in a row that had no good answer. */
  failures: number
  /** Why it cannot be written; undefined while it can. */
  reason: Reason | undefined
}

/** A process that has just started is not ready. */
export const NEVER_ASKED: Finding = { failures: 0, reason: "connection_pending" }

/**
 * What is known after one more question, whose answer is the reason why the server cannot be
 * written, or undefined. One good answer counts at once; after one, only `FAILURES_MAX` bad ones in a
 * row do.
 */
export function nextFinding(before: Finding, answer: Reason | undefined): Finding {
  if (answer === undefined) return { failures: 0, reason: undefined }
  const failures = before.failures + 1
  const isStillGood = before.reason === undefined && failures < FAILURES_MAX
  return { failures, reason: isStillGood ? undefined : answer }
}

/**
 * Asks once a second whether a server can be written, and tells whoever wants to know what was found
 * last: so the answer costs nothing, and is as fresh for one who asks every ten seconds.
 */
export class WriteProbe {
  readonly #part: "database" | "queue"
  readonly #ask: () => Promise<void>
  readonly #logger: Logger
  readonly #answered = Promise.withResolvers<void>()
  readonly #logged = new Set<Reason>()
  #finding = NEVER_ASKED
  #underWay: Promise<void> | undefined

  /** `ask` resolves when a write is possible and rejects with why it is not. */
  constructor(part: "database" | "queue", ask: () => Promise<void>, logger: Logger) {
    this.#part = part
    this.#ask = ask
    this.#logger = logger
    this.#measure()
  }

  /** Asks until the signal aborts. */
  async watch(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const begun = performance.now()
      await this.#askOnce()
      this.#answered.resolve()
      const restMs = Math.max(0, begun + ASK_INTERVAL_MS - performance.now())
      await sleep(restMs, undefined, { signal, ref: false }).catch(() => {})
    }
  }

  /** What the latest answer says; the one to the first question is waited for. */
  async finding(): Promise<Finding> {
    await this.#answered.promise
    return this.#finding
  }

  async #askOnce(): Promise<void> {
    // A question that a silent server leaves open is not asked again beside it.
    this.#underWay ??= this.#ask().finally(() => {
      this.#underWay = undefined
    })
    try {
      await withTimeout(this.#underWay, ANSWER_DEADLINE_MS, "no answer")
      this.#note(undefined)
    } catch (error) {
      this.#note(reasonNotWritable(error), error)
    }
  }

  #note(answer: Reason | undefined, error?: unknown): void {
    const before = this.#finding
    this.#finding = nextFinding(before, answer)
    const { reason } = this.#finding
    if (reason !== before.reason) this.#measure()
    const about = { part: this.#part, reason }
    if (reason === undefined) {
      if (this.#logged.size > 0) this.#logger.info(about, "writes are possible again")
      this.#logged.clear()
    } else if (this.#finding.failures >= FAILURES_MAX && !this.#logged.has(reason)) {
      // A process that starts on a busy machine gets its first answer late: that is no fault yet. And a
      // server that goes down may give several reasons in turn.
      this.#logged.add(reason)
      this.#logger.error({ ...about, err: error }, "writes are not possible")
    }
  }

  #measure(): void {
    for (const reason of Object.keys(REASONS)) {
      const isIt = reason === this.#finding.reason
      notWritable.set({ part: this.#part, reason }, isIt ? 1 : 0)
    }
  }
}
