import { brotliCompressSync, constants, deflateRawSync, deflateSync, gzipSync } from "node:zlib"
import * as fc from "fast-check"
import { setHeader } from "../draft.ts"
import { type Changes, named } from "./change.ts"

const MEBIBYTE = 1_048_576
/** More than a body may have; so is what the small ones expand to. */
const LARGE_BODY_BYTES = 300_000

/** What becomes of the body's bytes. `claims`: what Content-Encoding says of them. */
interface Coding {
  what: string
  code: (bytes: Buffer) => Buffer
  claims?: string
  /** They are not what they are said to be. */
  isWrong?: true
}

const quick = { params: { [constants.BROTLI_PARAM_QUALITY]: 1 } }
const utf16be = (bytes: Buffer) => Buffer.from(bytes.toString(), "utf16le").swap16()

const CODINGS: Coding[] = [
  { what: "gzip", code: (bytes) => gzipSync(bytes), claims: "gzip" },
  { what: "gzip, in upper case", code: (bytes) => gzipSync(bytes), claims: "GZIP" },
  { what: "gzip by its old name", code: (bytes) => gzipSync(bytes), claims: "x-gzip" },
  { what: "deflate", code: (bytes) => deflateSync(bytes), claims: "deflate" },
  { what: "deflate without its head", code: (bytes) => deflateRawSync(bytes), claims: "deflate" },
  { what: "br", code: (bytes) => brotliCompressSync(bytes, quick), claims: "br" },
  { what: "identity", code: (bytes) => bytes, claims: "identity" },
  { what: "gzip twice", code: (bytes) => gzipSync(gzipSync(bytes)), claims: "gzip, gzip" },
  { what: "no gzip", code: (bytes) => bytes, claims: "gzip", isWrong: true },
  { what: "no deflate", code: (bytes) => bytes, claims: "deflate", isWrong: true },
  { what: "no br", code: (bytes) => bytes, claims: "br", isWrong: true },
  { what: "an unknown coding", code: (bytes) => bytes, claims: "rot13", isWrong: true },
  {
    what: "half of gzip",
    code: (bytes) => gzipSync(bytes).subarray(0, 12),
    claims: "gzip",
    isWrong: true,
  },
  {
    what: "half of br",
    code: (bytes) => brotliCompressSync(bytes, quick).subarray(0, 3),
    claims: "br",
    isWrong: true,
  },
  {
    what: "gzip and more",
    code: (bytes) => Buffer.concat([gzipSync(bytes), Buffer.from("more")]),
    claims: "gzip",
  },
  {
    what: "a bomb of gzip",
    code: () => gzipSync(Buffer.alloc(2 * MEBIBYTE, " ")),
    claims: "gzip",
    isWrong: true,
  },
  {
    what: "a bomb of br",
    code: () => brotliCompressSync(Buffer.alloc(2 * MEBIBYTE, " "), quick),
    claims: "br",
    isWrong: true,
  },
  { what: "gzip that nobody tells of", code: (bytes) => gzipSync(bytes), isWrong: true },
  { what: "UTF-16", code: (bytes) => Buffer.from(bytes.toString(), "utf16le") },
  { what: "UTF-16, the other way round", code: utf16be },
  { what: "Latin-1", code: (bytes) => Buffer.from(`${bytes.toString()}é`, "latin1") },
  { what: "a byte order mark", code: (bytes) => Buffer.concat([Buffer.from("\ufeff"), bytes]) },
  { what: "bytes that are no text", code: () => Buffer.from([0xff, 0xfe, 0, 0xc0, 0x80]) },
  { what: "white space around it", code: (bytes) => Buffer.from(` \r\n${bytes.toString()}\n `) },
  { what: "something behind it", code: (bytes) => Buffer.concat([bytes, Buffer.from("} x")]) },
  { what: "the same twice", code: (bytes) => Buffer.concat([bytes, bytes]) },
  { what: "nothing", code: () => Buffer.alloc(0) },
  { what: "a large one", code: () => Buffer.alloc(LARGE_BODY_BYTES, "1"), isWrong: true },
]

export function codingChanges(): Changes {
  return fc.oneof(
    {
      weight: 4,
      arbitrary: named(
        fc.constantFrom(...CODINGS),
        ({ what }) => `the body: ${what}`,
        (draft, { code, claims, isWrong }) => {
          draft.text ??= draft.fields === undefined ? "1" : undefined
          draft.codings.push(code)
          if (claims !== undefined) setHeader(draft, "Content-Encoding", claims)
          // Where no body is taken, nobody looks into it.
          if (isWrong === true && draft.aim.body !== undefined) draft.isWrong = true
        },
      ),
    },
    {
      weight: 1,
      arbitrary: named(
        fc.nat({ max: 100 }),
        (percent) => `${percent} % of the body`,
        (draft, percent) => {
          draft.codings.push((bytes) => bytes.subarray(0, (bytes.length * percent) / 100))
        },
      ),
    },
  )
}
