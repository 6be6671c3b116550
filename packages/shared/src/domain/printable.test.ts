import { describe, expect, it } from "vitest"
import { hasUnseen, printable } from "./printable.ts"

describe("a printable text", () => {
  it.each([
    ["anna\u202eanna", "anna\\u202eanna"],
    ["an\u200bna", "an\\u200bna"],
    ["\u2066anna\u2069", "\\u2066anna\\u2069"],
    ["anna\u{e0061}", "anna\\udb40\\udc61"],
    ["anna\u3164", "anna\\u3164"],
    ["an\u2028na", "an\\u2028na"],
    ["\u001b[31manna\u009b0m\n", "\\u001b[31manna\\u009b0m\\u000a"],
    ["anna\ud800", "anna\\ud800"],
    ["an\ufff9na\ufffb", "an\\ufff9na\\ufffb"],
    ["anna\u{13430}", "anna\\ud80d\\udc30"],
    ["anna\ufffe\u{1ffff}", "anna\\ufffe\\ud83f\\udfff"],
    ["anna\u2800", "anna\\u2800"],
    ["an\u00a0na\u2003\u3000", "an\\u00a0na\\u2003\\u3000"],
  ])("has unseen characters as JSON writes them: %j", (text, shown) => {
    expect(hasUnseen(text)).toBe(true)
    expect(printable(text)).toBe(shown)
    expect(JSON.parse(`"${shown}"`)).toBe(text)
  })

  it.each([
    "anna",
    "Алиса",
    "愛麗絲",
    "محمد",
    "a b",
    "👽",
    "Zoë",
    "Zoe\u0308",
    "'; --",
    "a\\u202e",
  ])("stays as it is otherwise: %j", (text) => {
    expect(hasUnseen(text)).toBe(false)
    expect(printable(text)).toBe(text)
  })
})
