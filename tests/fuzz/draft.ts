import type { Aim } from "./aim.ts"

/** Stands for the token of whoever sends the request: what is drawn does not depend on it. */
export const TOKEN = "\u{f0000}"
/** Likewise for the address that it is sent to. */
export const HOST = "\u{f0001}"

/** A request before it is bytes, so that one thing after the other can be changed in it. */
export interface Draft {
  aim: Aim
  method: string
  /** As it is sent, with its percent-encodings. */
  path: string
  /** Pieces between `&`, likewise. */
  query: string[]
  /** What follows the target; nothing in HTTP/0.9. */
  version: string
  /** In the order in which they are sent. */
  headers: [name: string, value: string][]
  /** Sent as they are, among the headers. */
  oddLines: string[]
  /** In front of everything. */
  preface: string
  /** An object's properties, each with its JSON, as often and in the order in which they are written. */
  fields: [name: string, json: string][] | undefined
  /** The body, if it is no object. */
  text: string | undefined
  /** What becomes of the body's bytes before they are sent. */
  codings: ((bytes: Buffer) => Buffer)[]
  /** Sizes of chunks; without it, the body goes with its length. */
  chunks: { sizes: number[]; extension: string; end: string } | undefined
  delivery: Delivery
  /** What was made different from a request as it should be. */
  changes: string[]
  /** What was changed alone makes it a request that has to be refused. */
  isWrong: boolean
  /** Where the request ends is not clear: more than one answer may come. */
  isBlurred: boolean
}

/**
 * `followed`: another request comes at once after it. `noisy`: what is none does. `bytes`: each is a packet. `halves`: in two.
 * `half-closed`: and this side ends. `cut`: the same before all of it was sent.
 */
export type Delivery =
  | { how: "whole" | "followed" | "noisy" | "bytes" | "half-closed" }
  | { how: "halves" | "cut"; at: number }

/**
 * Whether the client's side of the connection ends behind the request: whoever does not see where it
 * ends would wait for more. Node may then end the other side without an answer.
 */
export function endsItsSide({ delivery, isBlurred }: Draft): boolean {
  return isBlurred || delivery.how === "half-closed" || delivery.how === "cut"
}

const LINE_END = "\r\n"

export function setHeader(draft: Draft, name: string, value: string): void {
  removeHeader(draft, name)
  draft.headers.push([name, value])
  if (/[\r\n]/.test(value)) draft.isBlurred = true
}

export function removeHeader(draft: Draft, name: string): void {
  draft.headers = draft.headers.filter(([given]) => given.toLowerCase() !== name.toLowerCase())
}

export function header(draft: Draft, name: string): string | undefined {
  return draft.headers.find(([given]) => given.toLowerCase() === name.toLowerCase())?.[1]
}

/** The body's bytes; undefined without one. */
export function bodyOf({ fields, text, codings }: Draft): Buffer | undefined {
  const plain = fields === undefined ? text : `{${fields.map(writeField).join(",")}}`
  if (plain === undefined) return undefined
  return codings.reduce<Buffer>((bytes, code) => code(bytes), Buffer.from(plain))
}

function writeField([name, json]: [string, string]): string {
  return `${JSON.stringify(name)}:${json}`
}

export function targetOf({ path, query }: Draft): string {
  return query.length === 0 ? path : `${path}?${query.join("&")}`
}

/** The whole request, in bytes. */
export function write(draft: Draft, fill: (text: string) => string): Buffer {
  const { method, version, headers, oddLines, preface, chunks } = draft
  const body = bodyOf(draft)
  const isFramed =
    header(draft, "content-length") !== undefined ||
    header(draft, "transfer-encoding") !== undefined
  const framing = isFramed || body === undefined ? [] : [framingOf(draft, body)]
  const lines = [
    `${method} ${targetOf(draft)}${version === "" ? "" : ` ${version}`}`,
    ...headers.map((pair) => pair.join(": ")),
    ...framing,
    ...oddLines,
  ]
  const head = `${preface}${lines.join(LINE_END)}${LINE_END}${LINE_END}`
  const sent = chunks === undefined ? (body ?? Buffer.alloc(0)) : inChunks(body, chunks)
  return Buffer.concat([Buffer.from(fill(head)), sent])
}

function framingOf({ chunks }: Draft, body: Buffer): string {
  return chunks === undefined ? `Content-Length: ${body.length}` : "Transfer-Encoding: chunked"
}

function inChunks(
  body: Buffer = Buffer.alloc(0),
  { sizes, extension, end }: NonNullable<Draft["chunks"]>,
): Buffer {
  const parts: Buffer[] = []
  for (let at = 0, i = 0; at < body.length; i++) {
    const size = Math.max(1, sizes[i % sizes.length] ?? body.length)
    const part = body.subarray(at, at + size)
    const line = `${part.length.toString(16)}${extension}${LINE_END}`
    parts.push(Buffer.from(line), part, Buffer.from(LINE_END))
    at += size
  }
  return Buffer.concat([...parts, Buffer.from(end)])
}
