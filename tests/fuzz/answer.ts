import { brotliDecompressSync, gunzipSync, inflateSync, zstdDecompressSync } from "node:zlib"

/** An answer as it came, read without forgiving anything: a lenient client is how requests get mixed up. */
export interface Answer {
  status: number
  headers: Headers
  /** Without its codings. */
  body: Buffer
  /** It goes on: an event stream. */
  isStream: boolean
}

/** What came is no answer that HTTP allows. */
class MalformedAnswerError extends Error {
  override name = "MalformedAnswerError"
}

const STATUS_LINE = /^HTTP\/1\.1 ([1-5]\d\d) [\t\x20-\x7e]*$/
const FIELD_LINE = /^([!#$%&'*+.^_`|~\w-]+): ?([\t\x20-\x7e\x80-\xff]*)$/
const HEAD_END = "\r\n\r\n"
const BODYLESS = [204, 304]

const DECODERS: Record<string, (bytes: Buffer) => Buffer> = {
  gzip: gunzipSync,
  deflate: inflateSync,
  br: brotliDecompressSync,
  zstd: zstdDecompressSync,
}

/** How an answer is to be read. */
interface Reading {
  /** It answers a HEAD. */
  isHead: boolean
  /** To a client of HTTP/1.0, which knows no chunks. */
  isOld: boolean
  /** Nothing more will come. */
  hasEnded: boolean
}

/**
 * Reads the answer that the bytes begin with; undefined while it is not there as a whole. Throws a
 * `MalformedAnswerError`.
 */
export function readAnswer(
  bytes: Buffer,
  reading: Reading,
): { answer: Answer; length: number } | undefined {
  const headLength = bytes.indexOf(HEAD_END)
  if (headLength < 0) return undefined
  const { status, headers } = readHead(bytes.subarray(0, headLength).toString("latin1"))
  const after = bytes.subarray(headLength + HEAD_END.length)
  const isStream = headers.get("content-type")?.startsWith("text/event-stream") ?? false
  const framed = readBody(after, { status, headers, isStream }, reading)
  if (framed === undefined) return undefined
  const { body, length } = framed
  return {
    answer: { status, headers, body: isStream ? body : decode(body, headers), isStream },
    length: headLength + HEAD_END.length + length,
  }
}

function readHead(head: string): { status: number; headers: Headers } {
  const [first = "", ...lines] = head.split("\r\n")
  const status = STATUS_LINE.exec(first)?.[1]
  if (status === undefined) throw new MalformedAnswerError(`not a status line: ${first}`)
  const headers = new Headers()
  for (const line of lines) {
    const [, name, value] = FIELD_LINE.exec(line) ?? []
    if (name === undefined || value === undefined) {
      throw new MalformedAnswerError(`not a header: ${line}`)
    }
    if (headers.has(name) && name.toLowerCase() !== "set-cookie") {
      throw new MalformedAnswerError(`${name} is there twice`)
    }
    headers.append(name, value)
  }
  return { status: Number(status), headers }
}

interface Head {
  status: number
  headers: Headers
  isStream: boolean
}

function readBody(
  bytes: Buffer,
  { status, headers, isStream }: Head,
  { isHead, isOld, hasEnded }: Reading,
): { body: Buffer; length: number } | undefined {
  const given = headers.get("content-length")
  const coding = headers.get("transfer-encoding")
  if (given !== null && coding !== null) {
    throw new MalformedAnswerError("content-length and transfer-encoding in one answer")
  }
  if (given !== null && !/^\d+$/.test(given)) {
    throw new MalformedAnswerError(`content-length: ${given}`)
  }
  // RFC 9110, section 8.6: a 304 may only have the length that the 200 would have.
  if (given !== null && (status === 204 || (status === 304 && given === "0"))) {
    throw new MalformedAnswerError(`a ${status} with content-length: ${given}`)
  }
  if (isHead || status < 200 || BODYLESS.includes(status)) {
    return { body: Buffer.alloc(0), length: 0 }
  }
  if (coding !== null) {
    if (isOld) throw new MalformedAnswerError("chunks to a client of HTTP/1.0")
    return readChunks(bytes, isStream)
  }
  if (given !== null) {
    const length = Number(given)
    return bytes.length < length ? undefined : { body: bytes.subarray(0, length), length }
  }
  return hasEnded || (isStream && bytes.includes("\n\n"))
    ? { body: bytes, length: bytes.length }
    : undefined
}

/** Of a stream, the first event is enough. */
function readChunks(
  bytes: Buffer,
  isStream: boolean,
): { body: Buffer; length: number } | undefined {
  const chunks: Buffer[] = []
  for (let at = 0; ;) {
    if (isStream && chunks.some((chunk) => chunk.includes("\n\n"))) {
      return { body: Buffer.concat(chunks), length: bytes.length }
    }
    const lineEnd = bytes.indexOf("\r\n", at)
    if (lineEnd < 0) return undefined
    const text = bytes.subarray(at, lineEnd).toString("latin1")
    if (!/^[0-9a-f]+$/i.test(text)) throw new MalformedAnswerError(`a chunk's length: ${text}`)
    const size = Number.parseInt(text, 16)
    const end = lineEnd + 2 + size
    if (bytes.length < end + 2) return undefined
    if (bytes.subarray(end, end + 2).toString() !== "\r\n") {
      throw new MalformedAnswerError("a chunk is not as long as it says")
    }
    if (size === 0) return { body: Buffer.concat(chunks), length: end + 2 }
    chunks.push(bytes.subarray(lineEnd + 2, end))
    at = end + 2
  }
}

function decode(body: Buffer, headers: Headers): Buffer {
  const coding = headers.get("content-encoding")
  if (coding === null || body.length === 0) return body
  const decoder = DECODERS[coding]
  if (decoder === undefined) throw new MalformedAnswerError(`content-encoding: ${coding}`)
  try {
    return decoder(body)
  } catch (error) {
    throw new MalformedAnswerError(`a body that is not ${coding}`, { cause: error })
  }
}
