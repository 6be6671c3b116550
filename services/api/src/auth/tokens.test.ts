import { createHmac } from "node:crypto"
import { decodeJwt, decodeProtectedHeader, generateKeyPair, SignJWT } from "jose"
import { afterEach, describe, expect, it, vi } from "vitest"
import { parseKeys, Tokens } from "./tokens.ts"

const HOUR_MS = 3_600_000
const KEY = Buffer.alloc(32, 1)
const OTHER_KEY = Buffer.alloc(32, 2)
const keys = (...pairs: [string, Buffer][]) =>
  parseKeys(pairs.map(([id, key]) => `${id}:${key.toString("base64url")}`).join(","))
const tokens = new Tokens(keys(["k1", KEY]), HOUR_MS)

const nowS = () => Math.floor(Date.now() / 1_000)
const HEADER = { alg: "HS256", typ: "JWT", kid: "k1" }
/** What our tokens say; an undefined claim is left out. */
const claims = (changes: Record<string, unknown> = {}) => ({
  sub: "7",
  iss: "gofermart",
  aud: "gofermart-api",
  iat: nowS(),
  exp: nowS() + 3_600,
  ...changes,
})

/** Signs a token as ours are signed, but for the changes. */
function forge(payload: Record<string, unknown>, header: object = {}, key: Uint8Array = KEY) {
  return new SignJWT(payload).setProtectedHeader({ ...HEADER, ...header }).sign(key)
}

const encode = (part: unknown) => Buffer.from(JSON.stringify(part)).toString("base64url")

describe("a token of ours", () => {
  it("tells whose it is, from when and until when, to the millisecond", async () => {
    const second = nowS() * 1_000
    for (let ms = 0; ms < 1_000; ms++) {
      const token = await tokens.issue(42n, new Date(second + ms))
      const told = {
        userId: 42n,
        issuedAt: new Date(second + ms),
        expiresAt: new Date(second + HOUR_MS),
        hash: expect.stringMatching(/^[\w-]{43}$/),
      }
      expect(await tokens.verify(token)).toEqual(told)
      expect(await tokens.verify(token)).toEqual(told)
    }
  })

  it("tells a user id too large for a number", async () => {
    const largest = 2n ** 63n - 1n
    expect((await tokens.verify(await tokens.issue(largest, new Date())))?.userId).toBe(largest)
  })

  it("names its key, its algorithm and its end", async () => {
    const token = await tokens.issue(7n, new Date(1_764_000_000_123))
    expect(decodeProtectedHeader(token)).toEqual(HEADER)
    const { iat, exp, jti, ...rest } = decodeJwt(token)
    expect({ iat, exp }).toEqual({ iat: 1_764_000_000.123, exp: 1_764_003_600 })
    expect(rest).toEqual({ sub: "7", iss: "gofermart", aud: "gofermart-api" })
    expect(decodeJwt(await tokens.issue(7n, new Date(1_764_000_000_123))).jti).not.toBe(jti)
  })

  it("is what the forged ones below differ from in one thing each", async () => {
    expect(await tokens.verify(await forge(claims()))).toMatchObject({ userId: 7n })
  })
})

describe("a token is refused", () => {
  /** Those of the tokens that are accepted. */
  async function accepted(...candidates: string[]): Promise<string[]> {
    const verified = await Promise.all(candidates.map((token) => tokens.verify(token)))
    return candidates.filter((_, i) => verified[i] !== undefined)
  }

  it.each(["", "garbage", ".", "..", "a.b.c", "null", "Bearer x", "\u0000", "e30.e30.e30"])(
    "when it is none: %j",
    async (token) => expect(await accepted(token)).toEqual([]),
  )

  it("when it is a megabyte long", async () => {
    const long = "a".repeat(1_048_576)
    expect(await accepted(long, (await tokens.issue(7n, new Date())) + long)).toEqual([])
  })

  it("in any spelling of its signature but its own", async () => {
    const token = await tokens.issue(7n, new Date())
    const split = token.length - 20
    const within = [" ", "\t", "\n", " ".repeat(15_000)].map(
      (space) => token.slice(0, split) + space + token.slice(split),
    )
    const [, , signature = ""] = token.split(".")
    const lastBytes = Buffer.from(signature, "base64url")
    const respelled = [..."ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"]
      .map((last) => token.slice(0, -1) + last)
      .filter((other) => Buffer.from(other.slice(-43), "base64url").equals(lastBytes))
    expect(respelled).toHaveLength(4)
    const around = [` ${token}`, `${token} `, `${token}\n`, `${token}=`, `${token}==`]
    expect(await accepted(token, ...within, ...around)).toEqual([token])
    expect(await accepted(...respelled)).toEqual([token])
  })

  it("when it is longer than a browser's cookie may be", async () => {
    const long = await forge(claims({ filling: "x".repeat(3_000) }))
    expect(await accepted(await forge(claims({ filling: "x".repeat(2_000) })), long)).toHaveLength(
      1,
    )
  })

  it.each(["none", "None", "NONE", "nOnE", ""])("when its algorithm is %j", async (alg) => {
    const unsigned = `${encode({ ...HEADER, alg })}.${encode(claims())}`
    const [, , signature = ""] = (await tokens.issue(7n, new Date())).split(".")
    expect(await accepted(unsigned, `${unsigned}.`, `${unsigned}.${signature}`)).toEqual([])
  })

  it.each([
    ["another one", OTHER_KEY],
    ["the text of ours", Buffer.from(KEY.toString("base64url"))],
    ["zeros", new Uint8Array(32)],
  ])("when the key that signed it under our key's id is %s", async (_, key) => {
    expect(await accepted(await forge(claims(), {}, key))).toEqual([])
  })

  it.each(["HS384", "HS512"])("when it is signed with our key by %s", async (alg) => {
    const longKey = Buffer.alloc(64, 3)
    const withLongKey = new Tokens(keys(["k1", longKey]), HOUR_MS)
    expect(await withLongKey.verify(await forge(claims(), {}, longKey))).toBeDefined()
    expect(await withLongKey.verify(await forge(claims(), { alg }, longKey))).toBeUndefined()
  })

  it("when it is signed by an asymmetric key of its own", async () => {
    const { privateKey } = await generateKeyPair("ES256")
    const header = { ...HEADER, alg: "ES256" }
    const token = await new SignJWT(claims()).setProtectedHeader(header).sign(privateKey)
    expect(await accepted(token)).toEqual([])
  })

  it.each(["k2", "", "K1", "k1 ", "../k1", "/dev/null", "__proto__", "constructor"])(
    "when the key's id is unknown: %j",
    async (kid) => expect(await accepted(await forge(claims(), { kid }))).toEqual([]),
  )

  it("when it names no key", async () => {
    expect(await accepted(await forge(claims(), { kid: undefined }))).toEqual([])
  })

  it("when it brings its key along, or says where to fetch one", async () => {
    const jwk = { kty: "oct", k: OTHER_KEY.toString("base64url"), alg: "HS256" }
    const jku = "http://127.0.0.1:1/keys.json"
    const tricks = [{ jwk }, { jku }, { x5u: jku }, { jwk, jku, kid: "k2" }]
    const forged = tricks.map((trick) => forge(claims(), trick, OTHER_KEY))
    expect(await accepted(...(await Promise.all(forged)))).toEqual([])
  })

  it("when its header demands an extension that nobody knows", async () => {
    const sign = (header: object) => {
      const parts = `${encode(header)}.${encode(claims())}`
      return `${parts}.${createHmac("sha256", KEY).update(parts).digest("base64url")}`
    }
    const [usual, demanding] = [sign(HEADER), sign({ ...HEADER, crit: ["x"], x: 1 })]
    expect(await accepted(usual, demanding)).toEqual([usual])
  })

  it("when its header, its payload or its signature is altered", async () => {
    const token = await tokens.issue(7n, new Date())
    const [header = "", payload = "", signature = ""] = token.split(".")
    const otherStart = signature.startsWith("A") ? "B" : "A"
    const altered = [
      [encode({ ...HEADER, x: 1 }), payload, signature],
      [header, encode({ ...decodeJwt(token), sub: "8" }), signature],
      [header, encode({ ...decodeJwt(token), exp: 2 ** 40 }), signature],
      [header, payload, otherStart + signature.slice(1)],
      [header, payload, signature.slice(0, -4)],
      [header, payload, ""],
      [header, payload],
      [header, payload, signature, signature],
      [payload, header, signature],
    ]
    expect(await accepted(token, ...altered.map((parts) => parts.join(".")))).toEqual([token])
  })

  it.each([
    ["another issuer", { iss: "somebody" }],
    ["no issuer", { iss: undefined }],
    ["another audience", { aud: "another-api" }],
    ["other audiences", { aud: ["another-api", "gofermart"] }],
    ["no audience", { aud: undefined }],
    ["no subject", { sub: undefined }],
    ["a subject that is no id", { sub: "alice" }],
    ["a subject that is a fraction", { sub: "7.5" }],
    ["no time of issue", { iat: undefined }],
    ["a time of issue that is no time", { iat: "yesterday" }],
    ["no end", { exp: undefined }],
    ["an end that is no time", { exp: "never" }],
    ["an end that is null", { exp: null }],
  ])("when it has %s", async (_, changes) => {
    expect(await accepted(await forge(claims(changes)))).toEqual([])
  })

  it.each([{ typ: "at+jwt" }, { typ: "JOSE" }, { typ: undefined }])(
    "when its type is another: %j",
    async (header) => expect(await accepted(await forge(claims(), header))).toEqual([]),
  )

  it.each([
    ["long ago", { iat: nowS() - 7_200, exp: nowS() - 3_600 }],
    ["a minute ago", { exp: nowS() - 60 }],
    ["in 1970", { exp: 0 }],
    ["before that", { exp: -1 }],
  ])("when it expired %s", async (_, changes) => {
    expect(await accepted(await forge(claims(changes)))).toEqual([])
  })

  it("when it is not yet valid", async () => {
    expect(await accepted(await forge(claims({ nbf: nowS() + 60 })))).toEqual([])
  })
})

describe("the clocks of two instances", () => {
  it("may be a little apart", async () => {
    const justExpired = await forge(claims({ iat: nowS() - 3_600, exp: nowS() - 1 }))
    expect(await tokens.verify(justExpired)).toMatchObject({ userId: 7n })
    const fromAhead = await forge(claims({ iat: nowS() + 2, exp: nowS() + 3_602 }))
    expect(await tokens.verify(fromAhead)).toMatchObject({ userId: 7n })
  })
})

describe("a token that was verified before", () => {
  afterEach(() => vi.useRealTimers())

  it("is refused from its end on, with the same tolerance as at first", async () => {
    const end = (nowS() + 60) * 1_000
    const token = await forge(claims({ exp: end / 1_000 }))
    const forgotten = () => new Tokens(keys(["k1", KEY]), HOUR_MS)
    expect(await tokens.verify(token)).toBeDefined()
    vi.useFakeTimers({ toFake: ["Date"], now: end + 4_999 })
    expect(await tokens.verify(token)).toBeDefined()
    expect(await forgotten().verify(token)).toBeDefined()
    vi.setSystemTime(end + 5_000)
    expect(await tokens.verify(token)).toBeUndefined()
    expect(await forgotten().verify(token)).toBeUndefined()
    expect(await tokens.verify(token)).toBeUndefined()
  })

  it("makes no other one valid that has its payload or its signature", async () => {
    const token = await tokens.issue(7n, new Date())
    expect(await tokens.verify(token)).toBeDefined()
    const [header = "", payload = "", signature = ""] = token.split(".")
    const otherKeys = await forge(decodeJwt(token), {}, OTHER_KEY)
    const altered = [
      `${header}.${encode({ ...decodeJwt(token), sub: "8" })}.${signature}`,
      `${encode({ ...HEADER, kid: "k2" })}.${payload}.${signature}`,
      `${header}.${payload}.${otherKeys.split(".")[2]}`,
      `${header}.${payload}.`,
      `${token}A`,
      otherKeys,
    ]
    for (const candidate of altered) expect(await tokens.verify(candidate)).toBeUndefined()
    expect(await tokens.verify(token)).toMatchObject({ userId: 7n })
  })

  it("is known only where its key is", async () => {
    const token = await tokens.issue(7n, new Date())
    expect(await tokens.verify(token)).toBeDefined()
    const others = new Tokens(keys(["k1", OTHER_KEY]), HOUR_MS)
    expect(await others.verify(token)).toBeUndefined()
  })
})

describe("changing the keys", () => {
  it("keeps the tokens of the old key valid while it is listed, and signs with the new one", async () => {
    const rotated = new Tokens(keys(["k2", OTHER_KEY], ["k1", KEY]), HOUR_MS)
    expect(await rotated.verify(await tokens.issue(7n, new Date()))).toMatchObject({ userId: 7n })
    const fresh = await rotated.issue(8n, new Date())
    expect(decodeProtectedHeader(fresh).kid).toBe("k2")
    expect(await rotated.verify(fresh)).toMatchObject({ userId: 8n })
  })

  it("ends the tokens of a key that is no longer listed", async () => {
    const old = await tokens.issue(7n, new Date())
    expect(await new Tokens(keys(["k2", OTHER_KEY]), HOUR_MS).verify(old)).toBeUndefined()
    expect(await new Tokens(keys(["k1", OTHER_KEY]), HOUR_MS).verify(old)).toBeUndefined()
  })

  it("does not let one key sign under the other's id", async () => {
    const both = new Tokens(keys(["k1", KEY], ["k2", OTHER_KEY]), HOUR_MS)
    expect(await both.verify(await forge(claims(), { kid: "k2" }, KEY))).toBeUndefined()
    expect(await both.verify(await forge(claims(), { kid: "k2" }, OTHER_KEY))).toBeDefined()
  })
})

describe("reading the keys", () => {
  it("takes the first one to sign, and each as its bytes", () => {
    expect(keys(["b", OTHER_KEY], ["a", KEY])).toEqual({
      current: "b",
      byId: new Map([
        ["b", OTHER_KEY],
        ["a", KEY],
      ]),
    })
  })
})
