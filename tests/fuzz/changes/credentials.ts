import * as fc from "fast-check"
import { removeHeader, setHeader, TOKEN } from "../draft.ts"
import { always, type Changes, named, short } from "./change.ts"

const WRONG_AUTHORIZATIONS = [
  ["Bearer", `Bearer ${TOKEN}x`, `Bearer x${TOKEN}`, `Bearer ${TOKEN} x`, TOKEN, "Bearer ."],
  ["Bearer a.b.c", "Bearer eyJhbGciOiJub25lIn0.e30.", "Bearer null", "Token x", "Bearer 😀"],
  [`Basic ${TOKEN}`, "Basic YTpi", `Digest ${TOKEN}`, `Bearer ${"a".repeat(9_000)}`],
].flat()

export function tokenChanges(): Changes {
  return fc.oneof(
    always("no token", (draft) => {
      removeHeader(draft, "authorization")
      removeHeader(draft, "cookie")
      draft.isWrong = true
    }),
    named(
      fc.constantFrom(...WRONG_AUTHORIZATIONS),
      (value) => `Authorization: ${short(value)}`,
      (draft, value) => {
        removeHeader(draft, "cookie")
        setHeader(draft, "Authorization", value)
        draft.isWrong = true
      },
    ),
    named(
      fc.constantFrom(
        `bearer ${TOKEN}`,
        `BEARER ${TOKEN}`,
        `Bearer   ${TOKEN}`,
        `Bearer ${TOKEN} `,
      ),
      (value) => `Authorization: ${short(value)}`,
      (draft, value) => setHeader(draft, "Authorization", value),
    ),
    always("another scheme beside the cookie", (draft) => {
      setHeader(draft, "Authorization", "Basic YTpi")
      setHeader(draft, "Cookie", `gofermart=${TOKEN}`)
    }),
  )
}

export function cookieChanges(): Changes {
  const cookies = [
    ["gofermart=T", "a=b; gofermart=T", "gofermart=T; gofermart=T", "gofermart=x; gofermart=T"],
    ['gofermart="T"', " gofermart = T ", "GOFERMART=T", "__Host-gofermart=T", "gofermart=T;;", "T"],
    ["a=1; ".repeat(200), `a=${"b".repeat(4_097)}`, "ä=ö; gofermart=T", "gofermart=%zz"],
  ].flat()
  return named(
    fc.constantFrom(...cookies),
    (cookie) => `Cookie: ${short(cookie)}`,
    (draft, cookie) => {
      removeHeader(draft, "authorization")
      setHeader(draft, "Cookie", cookie.replaceAll("T", TOKEN))
    },
  )
}
