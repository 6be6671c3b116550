import { Value } from "typebox/value"
import { describe, expect, it } from "vitest"
import { CredentialsSchema, readCredentials, readNewCredentials } from "./credentials.ts"

const PASSWORD = "correct horse battery"
const LENGTH_MIN = 8

const read = (login: string) => readCredentials({ login, password: PASSWORD })
const readNew = (login: string, password = PASSWORD) =>
  readNewCredentials({ login, password }, LENGTH_MIN)
const defect = (field: string, rule = "") => ({
  detail: expect.stringMatching(new RegExp(`^The field ${field} must .*${rule}\\.$`)),
  pointer: `#/${field}`,
})

describe("a login", () => {
  it("stays as it was given", () => {
    for (const login of [
      "a",
      "alice",
      "Alice",
      "alice@example.org",
      "Алиса",
      "愛麗絲",
      "a b",
      "👩‍🚀",
    ]) {
      expect(read(login)).toEqual({ login, password: PASSWORD })
    }
  })

  it("is compared without the white space around it", () => {
    for (const login of [" alice", "alice ", "\u00a0alice\u2003"]) {
      expect(read(login)).toMatchObject({ login: "alice" })
    }
  })

  it("is the same however its accents are encoded", () => {
    const [composed, decomposed] = ["Zo\u00eb", "Zoe\u0308"]
    expect(composed).not.toBe(decomposed)
    expect(read(decomposed)).toEqual(read(composed))
    expect(read(decomposed)).toMatchObject({ login: composed })
  })

  it("keeps upper case apart from lower case", () => {
    expect(read("Alice")).not.toEqual(read("alice"))
  })

  it.each(["", " ", "\n\t"])("is not empty: %j", (login) => {
    expect(read(login)).toEqual([defect("login", "have 1 to 64 characters")])
  })

  it("has up to 64 characters, counted as people count them", () => {
    for (const character of ["a", "я", "愛", "👽", "\u00eb", "e\u0308"]) {
      expect(read(character.repeat(64))).toMatchObject({ password: PASSWORD })
      const long = read(character.repeat(65))
      expect(long).toEqual([defect("login", "have 1 to 64 characters")])
    }
    expect(read(` ${"a".repeat(64)} `)).toMatchObject({ login: "a".repeat(64) })
  })

  it.each([
    "a\u0000b",
    "\u0000",
    "a\rb",
    "a\nb",
    "a\r\nb",
    "a\tb",
    "a\u001bb",
    "a\u007fb",
    "a\u0085b",
  ])("holds no control characters: %j", (login) => expect(read(login)).toEqual([defect("login")]))

  it("holds no half characters, which no database stores", () => {
    for (const login of ["a\ud800", "\udc00a", "a\udc00\ud800b"]) {
      expect(read(login)).toEqual([defect("login")])
    }
  })

  it("may hold what means something elsewhere", () => {
    for (const login of ["'; DROP TABLE users; --", "<script>", "%00", "__proto__", "$1", "null"]) {
      expect(read(login)).toMatchObject({ login })
    }
  })
})

describe("a new login", () => {
  it.each([
    ["a direction of text", ["anna\u202e", "\u2066anna\u2069", "an\u061cna", "an\u200fna"]],
    ["what has no width", ["an\u200bna", "an\u00adna", "an\u2060na", "an\u200dna", "an\ufeffna"]],
    ["what only looks empty", ["anna\u3164", "anna\u115f", "\u{e0061}anna", "\u180eanna"]],
    ["a variant of a character", ["anna\ufe0f", "anna\u{e0100}", "👩‍🚀"]],
    [
      "what marks up text, or is none",
      ["an\ufff9na\ufffb", "anna\u{13430}", "\ufffeanna", "anna\u{1ffff}"],
    ],
    ["an empty pattern", ["anna\u2800"]],
    ["what looks like a space", ["an\u00a0na", "an\u2003na", "an\u3000na", "an\u1680na"]],
    ["another end of a line", ["an\u2028na", "an\u2029na"]],
  ])("holds not %s", (_, logins) => {
    for (const login of logins) {
      // Whoever has one from before logs in with it.
      expect(read(login)).toEqual({ login: login.trim(), password: PASSWORD })
      expect(readNew(login)).toEqual([defect("login")])
    }
  })

  it("may be of any script", () => {
    for (const login of ["anna", "Алиса", "愛麗絲", "محمد", "สมชาย", "a b", "Zo\u00eb", "👽"]) {
      expect(readNew(login)).toMatchObject({ login })
    }
  })
})

describe("a password", () => {
  const readPassword = (password: string) => readNew("alice", password)

  it("stays as it was given, to the last space", () => {
    for (const password of [
      " 12345678 ",
      "пароль-пароль",
      "👽👽👽👽👽👽👽👽",
      "a\u0000b\nc\td e",
    ]) {
      expect(readPassword(password)).toEqual({ login: "alice", password })
    }
  })

  it("has at least as many characters as configured, counted as people count them", () => {
    expect(readPassword("12345678")).toMatchObject({ password: "12345678" })
    expect(readPassword("1234567")).toEqual([defect("password", "have 8 to 256 characters")])
    expect(readPassword("👽👽👽👽")).toEqual([defect("password", "have 8 to 256 characters")])
    expect(readNewCredentials({ login: "a", password: "x" }, 1)).toMatchObject({ password: "x" })
    expect(readNewCredentials({ login: "a", password: "" }, 1)).toEqual([defect("password")])
  })

  it.each([64, 100, 256])("may have %d characters of any script", (length) => {
    for (const character of ["a", "я", "愛", "👽"]) {
      const password = character.repeat(length)
      expect(readPassword(password)).toEqual({ login: "alice", password })
    }
  })

  it("has no more than 256 characters", () => {
    for (const character of ["a", "愛", "👽"]) {
      const long = readPassword(character.repeat(257))
      expect(long).toEqual([defect("password", "have 8 to 256 characters")])
    }
  })

  it("holds no half characters, which would all be hashed alike", () => {
    expect(readPassword("12345678\ud800")).toEqual([defect("password")])
  })

  it("is in no refusal", () => {
    const given = { login: "a\u0000", password: "hunter2" }
    expect(JSON.stringify(readNewCredentials(given, 1))).not.toContain("hunter2")
    expect(JSON.stringify(readNewCredentials({ ...given, login: "a" }, 8))).not.toContain("hunter2")
  })

  it("is refused beside a login that is wrong as well", () => {
    const both = readNewCredentials({ login: "an\u200bna", password: "short" }, LENGTH_MIN)
    expect(both).toEqual([defect("login"), defect("password")])
  })
})

describe("a body with credentials", () => {
  const accepts = (body: unknown) => Value.Check(CredentialsSchema, body)

  it("holds a login and a password as texts", () => {
    expect(accepts({ login: "alice", password: PASSWORD })).toBe(true)
  })

  it.each([
    {},
    { login: "alice" },
    { password: PASSWORD },
    { login: { $ne: null }, password: PASSWORD },
    { login: "alice", password: { length: 10 } },
    { login: ["alice"], password: PASSWORD },
    { login: 7, password: PASSWORD },
    { login: null, password: null },
    [],
    "alice",
    null,
  ])("is refused where anything else stands: %j", (body) => expect(accepts(body)).toBe(false))

  it("has room for the longest of both, and none for a megabyte", () => {
    expect(accepts({ login: "👽".repeat(64), password: "👽".repeat(256) })).toBe(true)
    expect(accepts({ login: "alice", password: "a".repeat(1_048_576) })).toBe(false)
    expect(accepts({ login: "a".repeat(1_048_576), password: PASSWORD })).toBe(false)
  })
})
