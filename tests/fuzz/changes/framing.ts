import * as fc from "fast-check"
import { header, setHeader } from "../draft.ts"
import { always, type Changes, named } from "./change.ts"

/** Where the request ends. */
export function framingChanges(): Changes {
  const sizes = fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1, maxLength: 4 })
  const inChunks = (what: string, extension: string, end: string) =>
    named(
      sizes,
      () => `chunks${what}`,
      (draft, drawn) => {
        if (header(draft, "content-length") === undefined) {
          draft.text ??= draft.fields === undefined ? "" : undefined
          draft.chunks = { sizes: drawn, extension, end }
        }
      },
    )
  const blurred = (what: string, name: string, value: (length: number) => string) =>
    always(what, (draft) => {
      setHeader(draft, name, value(draft.text?.length ?? 0))
      draft.isBlurred = true
    })
  const LAST = "0\r\n"
  return fc.oneof(
    inChunks("", "", `${LAST}\r\n`),
    inChunks(" with a trailer", "", `${LAST}X-Sum: 1\r\nExpires: 0\r\n\r\n`),
    inChunks(" with a trailer that must not be one", "", `${LAST}Content-Length: 3\r\n\r\n`),
    inChunks(" with a trailer that authenticates", "", `${LAST}Authorization: Bearer x\r\n\r\n`),
    inChunks(" with a trailer of 70,000 bytes", "", `${LAST}X: ${"a".repeat(70_000)}\r\n\r\n`),
    inChunks(" with a trailer without a colon", "", `${LAST}nothing\r\n\r\n`),
    inChunks(" with extensions", ';a=1;b="c"', `${LAST}\r\n`),
    inChunks(" with an endless extension", `;${"a".repeat(20_000)}`, `${LAST}\r\n`),
    inChunks(", the last as 000", "", "000\r\n\r\n"),
    inChunks(", the last of no length", "", "\r\n\r\n"),
    inChunks(", the last of a negative length", "", "-1\r\n\r\n"),
    inChunks(", the last as 0x0", "", "0x0\r\n\r\n"),
    blurred("a length of more than there is", "Content-Length", () => "100000"),
    blurred("a length of 0", "Content-Length", () => "0"),
    blurred("a length of 1", "Content-Length", () => "1"),
    blurred("chunks that are none", "Transfer-Encoding", () => "chunked"),
    blurred("gzip, then chunks", "Transfer-Encoding", () => "gzip, chunked"),
  )
}
