import { describe, expect, it } from "vitest"
import { isGuessable } from "./guessable.ts"

describe("a password that everybody tries first", () => {
  it.each([
    "password",
    "Password",
    " password ",
    "12345678",
    "123456789",
    "qwertyuiop",
    "iloveyou",
    "11111111",
    "password1",
    "1q2w3e4r",
    "Qwerty123",
    "password\u200b",
    "pass\u00adword",
    "\u202epassword\u202c",
    "\ufeff12345678\u{e0100}",
  ])("is %j", (password) => expect(isGuessable(password, "anna")).toBe(true))

  it.each([
    ["anna@example.org", "anna@example.org"],
    ["Anna-Maria", "anna-maria"],
    ["Алиса-в-стране", "алиса-В-стране"],
    ["Zo\u00eb-Zo\u00eb", "Zoe\u0308-Zoe\u0308"],
    ["anna maria", " anna maria "],
    ["anna maria", "anna\u2060 maria"],
    ["an\u200bna-of-maria", "anna-of-maria"],
  ])("is the login itself: %j with %j", (login, password) => {
    expect(isGuessable(password, login)).toBe(true)
    expect(isGuessable(password, "somebody else")).toBe(false)
  })

  it.each([
    "correct horse battery staple",
    "a good password",
    "anna@example.org!",
    "пароль-пароль",
  ])("is not %j", (password) => expect(isGuessable(password, "anna@example.org")).toBe(false))
})
