/** Answers that count, and for how many milliseconds their calls took together. */
export interface Tally {
  calls: number
  answerMs: number
}

/** The answers that this worker has not reported to the fleet. */
export class UnreportedAnswers {
  #tally: Tally = { calls: 0, answerMs: 0 }

  add({ calls, answerMs }: Tally): void {
    this.#tally = {
      calls: this.#tally.calls + calls,
      answerMs: this.#tally.answerMs + answerMs,
    }
  }

  /** Takes all of them, for a report. */
  take(): Tally {
    const taken = this.#tally
    this.#tally = { calls: 0, answerMs: 0 }
    return taken
  }
}
