import { describe, expect, it } from "vitest"
import { shownName } from "./shown-name.ts"

describe("a name that a client made up, in a sentence", () => {
  it.each([
    ["limit", "limit"],
    ["\u009b31m", "\\u009b31m"],
    ["a\u202eb", "a\\u202eb"],
    ["a".repeat(101), `${"a".repeat(100)}…`],
    [`${"a".repeat(99)}👽`, `${"a".repeat(99)}\\ud83d…`],
  ])("%j is %j", (name, shown) => expect(shownName(name)).toBe(shown))
})
