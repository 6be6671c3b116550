/** The pause in the row, by the database's clock. */
export interface PauseRow {
  /** Epoch milliseconds; null when nobody has ever paused. */
  pausedUntil: number | null
  /** For how much longer it is, in milliseconds; 0 or less when it is over, by so much. */
  pauseMs: number
}

/**
 * When the fleet's pause ends, as one worker knows it: the row says so, and a pause that this worker
 * has begun holds as well until it is in the row. Times are this process's monotonic clock's, in
 * milliseconds: the machine's clock may be wrong.
 */
export class KnownPause {
  #pausedUntil: number | null = null
  #rowEndsAt = -Infinity
  #ownEndsAt = -Infinity
  #writes = 0

  /** When the latest pause ends, or has ended. What was polled before that was polled before the pause. */
  get endsAt(): number {
    return Math.max(this.#rowEndsAt, this.#ownEndsAt)
  }

  /** How many pauses of this worker are in the row; `read` wants to know what it was before. */
  get writes(): number {
    return this.#writes
  }

  /** This worker pauses until then at least. */
  begin(endsAt: number): void {
    this.#ownEndsAt = Math.max(this.#ownEndsAt, endsAt)
  }

  /** What was begun until then is in the row now. */
  wrote(endsAt: number): void {
    this.#writes += 1
    this.#rowEndsAt = Math.max(this.#rowEndsAt, endsAt)
    if (this.#ownEndsAt <= endsAt) this.#ownEndsAt = -Infinity
  }

  /**
   * The row says so at `now`. It is the truth, and may end a pause early; but not one that was written
   * after the row was read.
   */
  read({ pausedUntil, pauseMs }: PauseRow, writesBefore: number, now: number): void {
    const endsAt = now + pauseMs
    if (writesBefore !== this.#writes) {
      this.#rowEndsAt = Math.max(this.#rowEndsAt, endsAt)
      return
    }
    // The same instant looks later when the answer took longer, or the database's clock went back.
    const isSame = pausedUntil !== null && pausedUntil === this.#pausedUntil
    this.#rowEndsAt = isSame ? Math.min(this.#rowEndsAt, endsAt) : endsAt
    this.#pausedUntil = pausedUntil
  }
}
