import { Type } from "typebox"
import { describe, expect, it } from "vitest"
import { duration, textSetting, wholeNumber } from "./env.ts"
import { defineSettings, optional, setting } from "./setting.ts"
import { helpOf, textOf } from "./settings-help.ts"

const word = textSetting({ description: "a word" }, () => undefined)
const secret = setting(word, { purpose: "the key", secret: true })
const settings = {
  TIMEOUT: setting(duration("10s"), { purpose: "the timeout" }),
  LOGINS_MAX: setting(wholeNumber(1, 9, 5), { purpose: "the most logins", unit: "logins" }),
  DATABASE_URL: secret,
  OTHER_KEY: optional(secret, "the key of DATABASE_URL"),
  NOTE: setting(Type.Optional(word), { purpose: "a note" }),
}

describe("a setting in words", () => {
  it("has its unit beside what its value must be", () => {
    expect(textOf(settings.LOGINS_MAX)).toEqual({
      purpose: "the most logins",
      value: "a whole number from 1 to 9 (logins)",
      defaultValue: "5",
      fallback: "required",
    })
  })

  it("says what counts without it, in each program", () => {
    expect(textOf(settings.DATABASE_URL)).toMatchObject({ fallback: "required" })
    expect(textOf(settings.OTHER_KEY)).toMatchObject({ fallback: "the key of DATABASE_URL" })
    expect(textOf(settings.NOTE)).toMatchObject({ fallback: "nothing" })
    expect(settings.OTHER_KEY.about.secret).toBe(true)
  })
})

describe("a help", () => {
  it("has every setting by all its names, with what it is without one", () => {
    expect(
      helpOf(settings)
        .split("\n")
        .filter((line) => /^ {2}\w/.test(line)),
    ).toEqual([
      "  TIMEOUT (default 10s)",
      "  LOGINS_MAX (default 5)",
      "  DATABASE_URL or DATABASE_URI or, in a file, DATABASE_URL_FILE (required)",
      "  OTHER_KEY or, in a file, OTHER_KEY_FILE (without it: the key of DATABASE_URL)",
      "  NOTE (without it: nothing)",
    ])
  })
})

describe("a schema", () => {
  it("does not compile with a setting that nothing is said of, or a number without its unit", () => {
    // @ts-expect-error: it has no purpose.
    expect(defineSettings({ TIMEOUT: duration("10s") })).toBeDefined()
    // @ts-expect-error: it has no unit.
    expect(setting(wholeNumber(1, 9, 5), { purpose: "the most logins" })).toBeDefined()
  })
})
