import { connect, type Socket } from "node:net"
import { type Answer, readAnswer } from "./answer.ts"

/** More than the longest queue for a password's hash, and than what does not arrive is waited for. */
const ANSWER_TIMEOUT_MS = 20_000

/** What is sent in one go, and how its answers are to be read. */
export interface Shipment {
  /** Each is a packet of its own, as far as the kernel lets it be. */
  pieces: Buffer[]
  /** Nothing comes after them: this side of the connection ends. */
  isEnd: boolean
  /** One for each answer that is expected: whether it answers a HEAD. */
  heads: boolean[]
  isOld: boolean
}

export interface Exchange {
  answers: Answer[]
  /** After the last answer that was expected. */
  rest: Buffer
  /** The server has hung up. */
  hasEnded: boolean
}

/** What was sent got neither an answer nor an end of the connection. */
class StuckError extends Error {
  override name = "StuckError"
}

/** A bare connection, which sends bytes as they are. */
export class Connection {
  readonly #socket: Socket
  #received = Buffer.alloc(0)
  #hasEnded = false
  #isLate = false
  #wake: () => void = () => {}

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.setNoDelay(true)
    socket.on("data", (data: Buffer) => {
      this.#received = Buffer.concat([this.#received, data])
      this.#wake()
    })
    const end = () => {
      this.#hasEnded = true
      this.#wake()
    }
    socket.on("end", end)
    socket.on("close", end)
    // A reset is an end: what came before it was read.
    socket.on("error", () => {})
    socket.on("timeout", () => {
      this.#isLate = true
      this.#wake()
    })
  }

  static open(url: string): Promise<Connection> {
    const { hostname, port } = new URL(url)
    return new Promise((resolve, reject) => {
      const socket = connect({ port: Number(port), host: hostname, allowHalfOpen: true })
      socket.once("error", reject)
      socket.once("connect", () => resolve(new Connection(socket)))
    })
  }

  /** Whether another request may be sent. */
  get isOpen(): boolean {
    return !this.#hasEnded && this.#socket.writable
  }

  /** Throws a `StuckError` or a `MalformedAnswerError`. */
  async exchange({ pieces, isEnd, heads, isOld }: Shipment): Promise<Exchange> {
    this.#isLate = false
    this.#socket.setTimeout(ANSWER_TIMEOUT_MS)
    await this.#send(pieces, isEnd)
    const answers: Answer[] = []
    while (answers.length < heads.length) {
      const isHead = heads[answers.length] === true
      const read = readAnswer(this.#received, { isHead, isOld, hasEnded: this.#hasEnded })
      if (read === undefined) {
        if (this.#hasEnded) break
        await this.#more("there is no answer")
        continue
      }
      this.#received = this.#received.subarray(read.length)
      // An interim answer is followed by the one that counts.
      if (read.answer.status >= 200) answers.push(read.answer)
      if (read.answer.isStream || isLast(read.answer)) break
    }
    const last = answers.at(-1)
    if (last !== undefined && isLast(last) && !last.isStream) await this.#ended()
    return { answers, rest: this.#received, hasEnded: this.#hasEnded }
  }

  close(): void {
    this.#socket.destroy()
  }

  async #send(pieces: Buffer[], isEnd: boolean): Promise<void> {
    for (const [i, piece] of pieces.entries()) {
      // Between two packets the server has its turn.
      if (i > 0) await new Promise((resolve) => setImmediate(resolve))
      if (this.#socket.writable) this.#socket.write(piece)
    }
    if (isEnd) this.#socket.end()
  }

  async #ended(): Promise<void> {
    while (!this.#hasEnded) await this.#more("the connection was to be closed, and is not")
  }

  async #more(otherwise: string): Promise<void> {
    const woken = Promise.withResolvers<void>()
    this.#wake = woken.resolve
    await woken.promise
    if (this.#isLate) throw new StuckError(`${otherwise} after ${ANSWER_TIMEOUT_MS} ms`)
  }
}

function isLast({ headers }: Answer): boolean {
  return headers.get("connection")?.toLowerCase() === "close"
}
