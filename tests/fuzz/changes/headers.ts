import { SINGLE_HEADERS } from "@gofermart/shared/http/repeated-headers.ts"
import * as fc from "fast-check"
import type { Aim, Parameter } from "../aim.ts"
import { type Draft, removeHeader, setHeader } from "../draft.ts"
import { HEADERS, ODD_LINES } from "../odd.ts"
import { type Changes, named, oddText, short } from "./change.ts"

const HEADER_BYTES_MAX = 70_000
const HEADERS_MAX = 3_000

/** A waiting client's answer comes only after the wait. */
const WAITS = /wait\s*=\s*"?0*[1-9]/i
const PREFERENCES = [
  ["wait=0", 'wait="0"', "wait=-1", "wait=Infinity", "wait=1e309", "wait=0x10", "wait", "wait="],
  ["respond-async", "wait=0, wait=9", "return=minimal; wait=0", ";", ",,", "a".repeat(5_000)],
].flat()

export function headerChanges(aim: Aim): Changes {
  const described = aim.parameters.filter((parameter) => parameter.in === "header")
  const odd = described.map((parameter) => ({ weight: 4, arbitrary: oddHeader(parameter) }))
  const values = Object.entries(HEADERS).flatMap(([name, all]) =>
    all.map((value): [string, string] => [name, value]),
  )
  const position = fc.nat({ max: 20 })
  return fc.oneof(
    ...odd,
    {
      weight: 6,
      arbitrary: named(
        fc.constantFrom(...values),
        ([name, value]) => `${name}: ${short(value)}`,
        (draft, [name, value]) => setHeader(draft, name, value),
      ),
    },
    {
      weight: 1,
      arbitrary: named(
        fc.tuple(fc.constantFrom(...Object.keys(HEADERS)), oddText),
        ([name, value]) => `${name}: ${short(value)}`,
        (draft, [name, value]) => setHeader(draft, name, value),
      ),
    },
    {
      weight: 3,
      arbitrary: named(
        fc.tuple(position, fc.constantFrom(undefined, "x", "")),
        ([, value]) => `a header twice${value === undefined ? "" : `, then ${short(value)}`}`,
        (draft, [at, value]) => repeatHeader(draft, at, value),
      ),
    },
    {
      weight: 2,
      arbitrary: named(
        position,
        () => "a header less",
        (draft, at) => {
          const [name] = draft.headers[at % draft.headers.length] ?? []
          if (name !== undefined) removeHeader(draft, name)
        },
      ),
    },
    {
      weight: 2,
      arbitrary: named(
        fc.constantFrom("upper", "lower"),
        (letters) => `headers' names in ${letters} case`,
        (draft, letters) => {
          draft.headers = draft.headers.map(([name, value]) => [
            letters === "upper" ? name.toUpperCase() : name.toLowerCase(),
            value,
          ])
        },
      ),
    },
    {
      weight: 3,
      arbitrary: named(
        fc.constantFrom(...ODD_LINES),
        (line) => `the line ${short(line)}`,
        (draft, line) => {
          draft.oddLines.push(line)
          // Whoever believes the one or the other sees another end of the request.
          draft.isBlurred = /^(content-length|transfer-encoding)/i.test(line)
        },
      ),
    },
    {
      weight: 1,
      arbitrary: named(
        fc.tuple(position, fc.constantFrom("\r\n ", "\r\n\t", " \r\n   ")),
        () => "a header folded",
        (draft, [at, fold]) => {
          const pair = draft.headers[at % draft.headers.length]
          if (pair !== undefined) pair[1] = pair[1].replace(/(?<=.)(?=.)/su, fold)
        },
      ),
    },
    {
      weight: 1,
      arbitrary: named(
        fc.integer({ min: 1_000, max: HEADER_BYTES_MAX }),
        (bytes) => `a header of ${bytes} bytes`,
        (draft, bytes) => draft.headers.push(["X-Huge", "a".repeat(bytes)]),
      ),
    },
    {
      weight: 1,
      arbitrary: named(
        fc.integer({ min: 100, max: HEADERS_MAX }),
        (count) => `${count} headers more`,
        (draft, count) => {
          draft.headers.push(
            ...Array.from({ length: count }, (_, i): [string, string] => [`A${i}`, ""]),
          )
        },
      ),
    },
  )
}

function oddHeader({ name, schema }: Parameter): Changes {
  const odd = name === "prefer" ? fc.constantFrom(...PREFERENCES) : oddText
  return named(
    odd.filter((text) => !WAITS.test(text)),
    (text) => `${name}: ${short(text)}`,
    (draft, text) => {
      setHeader(draft, name, text)
      if (draft.isBlurred) return
      // As the server reads it: in Latin-1, without the white space around it.
      const read = Buffer.from(text).toString("latin1").trim()
      const { minLength = 0, maxLength = Infinity, pattern = "" } = schema
      const fits = read.length >= minLength && read.length <= maxLength
      if (!fits || !new RegExp(pattern, "u").test(read)) draft.isWrong = true
    },
  )
}

function repeatHeader(draft: Draft, at: number, value: string | undefined): void {
  const [name = "", given = ""] = draft.headers[at % draft.headers.length] ?? []
  draft.headers.push([name, value ?? given])
  if (SINGLE_HEADERS.has(name.toLowerCase())) draft.isWrong = true
}
