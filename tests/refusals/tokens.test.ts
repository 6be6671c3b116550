import { generateKeyPairSync, sign as signWith } from "node:crypto"
import { createServer, type Server } from "node:http"
import type { AddressInfo } from "node:net"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { eventually } from "../harness/eventually.ts"
import { newLogin } from "../harness/numbers.ts"
import { TEST_KEY } from "../harness/settings.ts"
import { joinSharedSystem, type SharedSystem } from "../harness/shared-system.ts"
import { encode, forge, hmac, nowS, OUR_KEY } from "./forge.ts"
import { type HeaderFields, sendCredentials } from "./requests.ts"
import { expectRefused, printTable } from "./table.ts"

const MEMBERS_ROUTES = [
  ["POST", "orders"],
  ["GET", "orders"],
  ["GET", "orders/18"],
  ["GET", "balance"],
  ["POST", "balance/withdraw"],
  ["GET", "withdrawals"],
  ["GET", "transactions"],
  ["GET", "events"],
  ["POST", "logout"],
  ["PUT", "password"],
] as const
/** How late an instance may notice that a user is gone. */
const DELETED_LATE_MS = 5_500
/** What the clocks of two instances may be apart; an expired token lives that much longer. */
const CLOCK_TOLERANCE_S = 5

describe("tokens", () => {
  let system: SharedSystem
  let annaId: bigint
  let borisId: bigint
  beforeAll(async () => {
    system = await joinSharedSystem()
    annaId = await registerUser()
    borisId = await registerUser()
  })
  afterAll(printTable)

  const registerUser = async () => {
    const login = newLogin()
    await sendCredentials(system.apiUrl, "register", login)
    const { id } = await system.database.client.user.findUniqueOrThrow({ where: { login } })
    return id
  }
  const deleteUser = async (id: bigint) => {
    await system.database.client.userBalance.delete({ where: { userId: id } })
    await system.database.client.user.delete({ where: { id } })
  }
  const ask = (headers: HeaderFields, method = "GET", path = "orders") =>
    fetch(`${system.apiUrl}/api/user/${path}`, { method, headers })
  const askWith = (token: string) => ask({ authorization: `Bearer ${token}` })
  const expect401 = (row: number, what: string, response: Response) =>
    expectRefused(row, what, response, 401, "unauthenticated")
  /** Neither in the header nor in the cookie. */
  const expectNoUse = async (row: number, what: string, token: string) => {
    await expect401(row, what, await askWith(token))
    const { status } = await ask({ cookie: `gofermart=${token}` })
    expect.soft({ what, status }).toEqual({ what, status: 401 })
  }

  it("row 1: no token, garbage, alg none, another key, kid, jku and jwk tricks, altered payload", async () => {
    expect((await askWith(forge(annaId))).status).toBe(204)

    for (const [method, path] of MEMBERS_ROUTES) {
      await expect401(1, `no token: ${method} ${path}`, await ask({}, method, path))
    }
    for (const authorization of ["", "Bearer", "Bearer ", "Basic YTpi", `Token ${TEST_KEY}`]) {
      await expect401(1, `Authorization "${authorization}"`, await ask({ authorization }))
    }
    for (const garbage of ["garbage", "..", "a.b.c", "e30.e30.", "%00", "null"]) {
      await expectNoUse(1, `garbage "${garbage}"`, garbage)
    }

    const unsigned = () => ""
    for (const alg of ["none", "None", "nOnE", ""]) {
      const header = { alg }
      await expectNoUse(1, `alg "${alg}", unsigned`, forge(annaId, { header, sign: unsigned }))
      await expectNoUse(1, `alg "${alg}", signed with our key`, forge(annaId, { header }))
    }
    await expectNoUse(1, "no alg", forge(annaId, { header: { alg: undefined } }))
    await expectNoUse(1, "HS256, unsigned", forge(annaId, { sign: unsigned }))

    for (const [what, key] of Object.entries({
      "another key": "another key of 32 bytes, not ours",
      "an empty key": "",
      "the text of our key": TEST_KEY,
      "our key without its last byte": OUR_KEY.subarray(0, -1),
    })) {
      await expectNoUse(1, `HMAC with ${what}`, forge(annaId, { sign: hmac(key) }))
    }
    const longer = { header: { alg: "HS512" }, sign: hmac(OUR_KEY, "sha512") }
    await expectNoUse(1, "HS512 with our key", forge(annaId, longer))

    const kids = [undefined, "", "other", "__proto__", "constructor", "../../../dev/null"]
    for (const kid of [...kids, "x' UNION SELECT 'a' --", ["test"], 0, null]) {
      const what = `kid ${JSON.stringify(kid) ?? "missing"}`
      await expectNoUse(1, what, forge(annaId, { header: { kid } }))
      await expectNoUse(1, `${what}, empty key`, forge(annaId, { header: { kid }, sign: hmac("") }))
    }
    const critical = { crit: ["b64"], b64: false }
    await expectNoUse(1, "an extension to be understood", forge(annaId, { header: critical }))

    const [header, , signature] = forge(annaId).split(".")
    const [, othersClaims] = forge(borisId).split(".")
    await expectNoUse(1, "another's claims", `${header}.${othersClaims}.${signature}`)
    const forever = encode({ sub: String(annaId), exp: nowS() + 1e9 })
    await expectNoUse(1, "claims that last", `${header}.${forever}.${signature}`)
    await expectNoUse(1, "half a signature", forge(annaId).slice(0, -20))
    await expectNoUse(1, "more than a signature", `${forge(annaId)}.${signature}`)
    const ours = forge(annaId)
    for (const within of [" ".repeat(10_000), "\t", "%0A", "%20"]) {
      const spaced = `${ours.slice(0, -9)}${within}${ours.slice(-9)}`
      await expectNoUse(1, `a signature with ${JSON.stringify(within[0])} in it`, spaced)
    }
    for (const padding of ["=", "%0A"]) {
      await expectNoUse(1, `a signature with ${padding} after it`, ours + padding)
    }
    await expectNothingFetched()
  })

  /** Of the keys that a token brings along or points to, none is used or even looked at. */
  const expectNothingFetched = async () => {
    const secret = "the attacker's own secret, 32 bytes"
    const { publicKey, privateKey } = generateKeyPairSync("rsa", { modulusLength: 2_048 })
    const rsaKey = { ...publicKey.export({ format: "jwk" }), kid: "attackers", alg: "RS256" }
    const hmacKey = { kty: "oct", k: Buffer.from(secret).toString("base64url"), kid: "attackers" }
    const asked: string[] = []
    const keys = createServer((request, response) => {
      asked.push(request.url ?? "")
      response.setHeader("content-type", "application/json")
      response.end(JSON.stringify({ keys: [rsaKey, hmacKey] }))
    })
    const url = `${await listen(keys)}/keys.json`

    const rsa = (input: string) =>
      signWith("RSA-SHA256", Buffer.from(input), privateKey).toString("base64url")
    for (const kid of ["test", "attackers", url]) {
      for (const [what, pointer] of Object.entries({
        jku: { jku: url },
        x5u: { x5u: url },
        "jwk of an HMAC key": { jwk: hmacKey },
        "jwk of an RSA key": { jwk: rsaKey },
        "iss with keys": { jku: url, jwk: rsaKey },
      })) {
        const claims = what.startsWith("iss") ? { iss: new URL(url).origin } : {}
        const named = `${what}, kid ${kid === url ? "a URL" : kid}`
        const byHmac = { header: { ...pointer, kid }, claims, sign: hmac(secret) }
        await expectNoUse(1, `${named}, HS256`, forge(annaId, byHmac))
        const byRsa = { header: { ...pointer, kid, alg: "RS256" }, claims, sign: rsa }
        await expectNoUse(1, `${named}, RS256`, forge(annaId, byRsa))
      }
    }

    expect(asked).toEqual([])
    // The server was there to be asked.
    await fetch(url)
    expect(asked).toEqual(["/keys.json"])
    keys.closeAllConnections()
    keys.close()
  }

  it("row 2: expired, not yet valid, without exp, wrong iss, aud, typ, of a deleted user", async () => {
    const used = await registerUser()
    const [gone, expiring] = [forge(used), forge(annaId, { claims: { exp: nowS() - 3 } })]
    expect((await askWith(gone)).status).toBe(204)
    expect((await askWith(expiring)).status).toBe(204)
    await deleteUser(used)

    const hourAgo = { iat: nowS() - 7_200, exp: nowS() - 3_600 }
    for (const [what, claims] of Object.entries({
      "expired an hour ago": hourAgo,
      "expired just now": { exp: nowS() - CLOCK_TOLERANCE_S - 1 },
      "not valid for an hour": { nbf: nowS() + 3_600 },
      "no exp": { exp: undefined },
      "exp null": { exp: null },
      "exp as text": { exp: String(nowS() + 3_600) },
      "no iat": { iat: undefined },
      "no sub": { sub: undefined },
      "sub no number": { sub: "anna" },
      "iss another's": { iss: "https://evil.example" },
      "no iss": { iss: undefined },
      "aud another's": { aud: "another-api" },
      "aud others'": { aud: ["another-api", "gofermart"] },
      "no aud": { aud: undefined },
    })) {
      await expectNoUse(2, what, forge(annaId, { claims }))
    }
    await expectNoUse(2, "typ another's", forge(annaId, { header: { typ: "at+jwt" } }))
    await expectNoUse(2, "no typ", forge(annaId, { header: { typ: undefined } }))

    const unused = await registerUser()
    await deleteUser(unused)
    await expectNoUse(2, "of a deleted user", forge(unused))
    await expectNoUse(2, "of a user who never was", forge("999999999"))

    const refused = (token: string) => async () => (await askWith(token)).status === 401
    await Promise.all([
      eventually("a deleted user's token is refused", refused(gone), DELETED_LATE_MS),
      eventually("a token expires", refused(expiring), CLOCK_TOLERANCE_S * 1_000),
    ])
    await expectNoUse(2, "used before its user was deleted", gone)
    await expectNoUse(2, "used before it expired", expiring)
  })
})

async function listen(server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}
