/** Counts requests in windows of fixed length, each beginning with the first request in it. */
export class RateWindow {
  #startedAtMs = Number.NEGATIVE_INFINITY
  #admitted = 0

  /**
   * Admits one request at `nowMs`, or refuses it: then the answer is when the window ends, on the
   * same clock. No more than `requestsMax` are admitted in `windowMs`; 0 sets no limit.
   */
  refusedUntilMs(nowMs: number, requestsMax: number, windowMs: number): number | undefined {
    if (requestsMax === 0) return undefined
    if (nowMs >= this.#startedAtMs + windowMs) {
      this.#startedAtMs = nowMs
      this.#admitted = 0
    }
    if (this.#admitted >= requestsMax) return this.#startedAtMs + windowMs
    this.#admitted += 1
    return undefined
  }

  /** Forgets the window under way. */
  reset(): void {
    this.#startedAtMs = Number.NEGATIVE_INFINITY
  }
}
