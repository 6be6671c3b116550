/** So many failures in a row are an outage at once … */
const FAILURES_MAX = 20
/** … and these, when they last this long. A failing call now and then is none. */
const FAILURES_MIN = 5
const FAILING_MS = 1_000
/** As is no answer at all for this part of the time that one may take. */
const SILENT_PART = 1 / 2

/**
 * Tells from this worker's calls when the scoring system is down: everything fails, or nothing is
 * answered any more. `now`: milliseconds of a monotonic clock.
 */
export class OutageDetector {
  readonly #silenceMs: number
  readonly #begun = new Set<{ at: number }>()
  #failures = 0
  #failingSince = 0
  /** Whether the scoring system could be reached from here since it was last down. */
  #isReachable = true
  /** When an answer last came, or the outage was over by another worker's word. */
  #aliveAt = 0

  /** `timeoutMs`: after which a call is given up. */
  constructor(timeoutMs: number) {
    this.#silenceMs = timeoutMs * SILENT_PART
  }

  /** A call begins; what is returned ends it. */
  begin(now: number): (isAnswered: boolean, now: number) => void {
    const call = { at: now }
    this.#begun.add(call)
    return (isAnswered, endedAt) => {
      this.#begun.delete(call)
      if (isAnswered) {
        this.#reset(endedAt)
        this.#isReachable = true
      }
      // One that began in an outage that is over tells of that one.
      else if (call.at >= this.#aliveAt) this.#fail(endedAt)
    }
  }

  /**
   * Another worker was answered. From here on this one tells of an outage only when it has been
   * answered itself: otherwise it is its own way to the scoring system that is broken, and it would
   * slow all the others down again and again.
   */
  endElsewhere(now: number): void {
    this.#reset(now)
    this.#isReachable = false
  }

  #reset(now: number): void {
    this.#failures = 0
    this.#aliveAt = now
  }

  #fail(now: number): void {
    if (this.#failures === 0) this.#failingSince = now
    this.#failures += 1
  }

  isDown(now: number): boolean {
    if (!this.#isReachable) return false
    if (this.#failures >= FAILURES_MAX) return true
    if (this.#failures >= FAILURES_MIN && now - this.#failingSince >= FAILING_MS) return true
    return this.#isSilent(now)
  }

  #isSilent(now: number): boolean {
    if (this.#begun.size < FAILURES_MIN) return false
    const [oldest] = this.#begun
    return oldest !== undefined && now - Math.max(oldest.at, this.#aliveAt) >= this.#silenceMs
  }
}
