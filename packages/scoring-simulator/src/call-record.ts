export interface Call {
  /** As it stood in the path, whether or not it is an order number. */
  number: string
  /** When the request arrived, in epoch milliseconds. */
  at: number
  /** The HTTP status it was answered with; null while it is being answered. */
  status: number | null
}

/** The latest calls in the order they arrived, no more than `callsMax`. */
export class CallRecord {
  readonly #callsMax: number
  #calls: Call[] = []
  /** Where the next call goes once the record is full: over the oldest. */
  #oldest = 0

  constructor(callsMax: number) {
    this.#callsMax = callsMax
  }

  /** Takes down a call as it arrives. The caller sets its status when it answers. */
  begin(number: string): Call {
    const call: Call = { number, at: Date.now(), status: null }
    if (this.#calls.length < this.#callsMax) {
      this.#calls.push(call)
    } else {
      this.#calls[this.#oldest] = call
      this.#oldest = (this.#oldest + 1) % this.#callsMax
    }
    return call
  }

  /** Oldest first. */
  list(): Call[] {
    return [...this.#calls.slice(this.#oldest), ...this.#calls.slice(0, this.#oldest)]
  }

  clear(): void {
    this.#calls = []
    this.#oldest = 0
  }
}
