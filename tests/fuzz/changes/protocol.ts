import * as fc from "fast-check"
import { HOST, removeHeader, setHeader } from "../draft.ts"
import { METHODS } from "../odd.ts"
import { always, type Changes, named, short } from "./change.ts"

/** HTTP itself. */
export function protocolChanges(): Changes {
  return fc.oneof(
    always("HTTP/1.0", (draft) => (draft.version = "HTTP/1.0")),
    always("HTTP/1.0 without a host", (draft) => {
      draft.version = "HTTP/1.0"
      removeHeader(draft, "host")
    }),
    always("HTTP/1.0 that is kept alive", (draft) => {
      draft.version = "HTTP/1.0"
      setHeader(draft, "Connection", "keep-alive")
    }),
    named(
      fc.constantFrom(
        "HTTP/0.9",
        "HTTP/1.2",
        "HTTP/2.0",
        "HTTP/1",
        "http/1.1",
        "HTTPS/1.1",
        "",
        "x",
      ),
      (text) => `the version ${short(text)}`,
      (draft, text) => (draft.version = text),
    ),
    named(
      fc.constantFrom("http://", "https://", "HTTP://", "ftp://"),
      (scheme) => `the target with ${scheme} and the host`,
      (draft, scheme) => (draft.path = `${scheme}${HOST}${draft.path}`),
    ),
    named(
      fc.constantFrom("*", "example.org:443", "", "x", "http://", "?", "http://evil.example"),
      (target) => `the target ${short(target)}`,
      (draft, target) => {
        draft.path = target
        draft.query = []
      },
    ),
    named(
      fc.constantFrom(...METHODS),
      (method) => `the method ${short(method)}`,
      (draft, method) => (draft.method = method),
    ),
    named(
      fc.constantFrom(
        "\r\n",
        "\r\n\r\n",
        "\n",
        "\u0000",
        " ",
        "x\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
      ),
      (preface) => `${short(preface)} before it`,
      (draft, preface) => {
        draft.preface = preface
        draft.isBlurred = true
      },
    ),
    always("Expect: 100-continue", (draft) => setHeader(draft, "Expect", "100-continue")),
    always("Connection: close", (draft) => setHeader(draft, "Connection", "close")),
    always("no host", (draft) => removeHeader(draft, "host")),
  )
}
