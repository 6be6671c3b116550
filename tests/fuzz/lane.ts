import type { Description } from "../harness/description.ts"
import { type Draft, endsItsSide, HOST, TOKEN, write } from "./draft.ts"
import { Connection, type Exchange, type Shipment } from "./connection.ts"
import { judge } from "./judge.ts"
import type { People, Person } from "./people.ts"

/** They end the token that they are sent with. */
const ENDING = ["logOut", "changePassword"]
const NOISE = Buffer.from("\u0001\r\n\r\n")
/** What follows at once on the same connection, and is answered with 200. */
const NEXT_PATH = { api: "/healthz", operators: "/metrics" }

export interface LaneParts {
  urls: { api: string; operators: string }
  description: Description
  people: People
  member: Person
  /** Everybody whose things no answer to this lane may have. */
  others: Person[]
}

/** Sends one request after the other, on connections that it keeps, as one customer. */
export class Lane {
  readonly #parts: LaneParts
  readonly #connections = new Map<"api" | "operators", Connection>()
  /** Whose token a request may end. */
  #leaver: Person | undefined

  constructor(parts: LaneParts) {
    this.#parts = parts
  }

  /** Sends a request and judges what comes back. Resolves with the status; undefined without an answer. */
  async send(draft: Draft): Promise<number | undefined> {
    const { aim } = draft
    const sender = await this.#senderOf(aim.name)
    const { host } = new URL(this.#parts.urls[aim.listener])
    const bytes = write(draft, (text) =>
      text.replaceAll(TOKEN, sender.token).replaceAll(HOST, host),
    )
    const exchange = await this.#exchange(aim.listener, shipmentOf(draft, bytes, host))
    const status = exchange.answers[0]?.status
    if (sender === this.#leaver && (status ?? 0) < 300) this.#leaver = undefined
    const { others, description } = this.#parts
    judge(draft, exchange, description, { sender, others })
    return status
  }

  close(): void {
    for (const connection of this.#connections.values()) connection.close()
    this.#connections.clear()
  }

  async #senderOf(operation: string): Promise<Person> {
    if (!ENDING.includes(operation)) return this.#parts.member
    this.#leaver ??= await this.#parts.people.newcomer()
    return this.#leaver
  }

  async #exchange(listener: "api" | "operators", shipment: Shipment): Promise<Exchange> {
    const kept = this.#connections.get(listener)
    this.#connections.delete(listener)
    if (kept?.isOpen === true) {
      const exchange = await this.#exchangeOn(kept, listener, shipment)
      // A server may hang up on a connection that it keeps just when something is sent.
      if (exchange.answers.length > 0 || !exchange.hasEnded) return exchange
    }
    const connection = await Connection.open(this.#parts.urls[listener])
    return this.#exchangeOn(connection, listener, shipment)
  }

  /** Keeps the connection when nothing is left on it that the next request would be mixed up with. */
  async #exchangeOn(
    connection: Connection,
    listener: "api" | "operators",
    shipment: Shipment,
  ): Promise<Exchange> {
    try {
      const exchange = await connection.exchange(shipment)
      const isClean = exchange.rest.length === 0 && exchange.answers.every((one) => !one.isStream)
      if (isClean && connection.isOpen) this.#connections.set(listener, connection)
      return exchange
    } finally {
      if (this.#connections.get(listener) !== connection) connection.close()
    }
  }
}

function shipmentOf(draft: Draft, bytes: Buffer, host: string): Shipment {
  const { delivery, aim } = draft
  const isHead = draft.method === "HEAD"
  const next = `GET ${NEXT_PATH[aim.listener]} HTTP/1.1\r\nHost: ${host}\r\n\r\n`
  const shipment: Shipment = {
    pieces: [bytes],
    isEnd: endsItsSide(draft),
    heads: [isHead],
    isOld: draft.version === "HTTP/1.0",
  }
  const at = "at" in delivery ? Math.floor(bytes.length * delivery.at) : 0
  switch (delivery.how) {
    case "whole":
    case "half-closed":
      return shipment
    case "followed":
      return {
        ...shipment,
        pieces: [Buffer.concat([bytes, Buffer.from(next)])],
        heads: [isHead, false],
      }
    case "noisy":
      return { ...shipment, pieces: [Buffer.concat([bytes, NOISE])], heads: [isHead, false] }
    case "bytes":
      return { ...shipment, pieces: inBytes(bytes) }
    case "halves":
      return { ...shipment, pieces: [bytes.subarray(0, at), bytes.subarray(at)] }
    case "cut":
      return { ...shipment, pieces: [bytes.subarray(0, at)] }
  }
}

/** Of a long request, the beginning goes byte by byte. */
const BYTES_APART_MAX = 2_000

function inBytes(bytes: Buffer): Buffer[] {
  const apart = [...bytes.subarray(0, BYTES_APART_MAX)].map((byte) => Buffer.from([byte]))
  return [...apart, bytes.subarray(BYTES_APART_MAX)]
}
