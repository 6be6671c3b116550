import { SignJWT } from "jose"
import { beforeAll, describe, expect, it } from "vitest"
import { newLogin, newNumber } from "../harness/numbers.ts"
import { forge } from "../refusals/forge.ts"
import { expectProblem } from "../harness/problem.ts"
import { TEST_KEY } from "../harness/settings.ts"
import { joinSharedSystem, type SharedSystem } from "../harness/shared-system.ts"

const ROUTES = [
  ["POST", "/api/user/orders"],
  ["GET", "/api/user/orders"],
  ["GET", "/api/user/balance"],
  ["POST", "/api/user/balance/withdraw"],
  ["GET", "/api/user/withdrawals"],
] as const

describe("authentication", () => {
  let system: SharedSystem
  beforeAll(async () => {
    system = await joinSharedSystem()
  })

  const ask = (method: string, path: string, headers: Record<string, string> = {}) =>
    fetch(`${system.apiUrl}${path}`, { method, headers })
  const register = async () => {
    const login = newLogin()
    const response = await fetch(`${system.apiUrl}/api/user/register`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ login, password: "a good password" }),
    })
    return { login, authorization: response.headers.get("authorization") ?? "" }
  }

  describe.each(ROUTES)("of %s %s", (method, path) => {
    it.each([
      ["no token", {}],
      ["an empty one", { authorization: "" }],
      ["another scheme", { authorization: "Basic YTpi" }],
      ["garbage", { authorization: "Bearer garbage" }],
      ["a garbage cookie", { cookie: "gofermart=garbage" }],
    ])("answers 401 to %s", async (_what, headers: Record<string, string>) => {
      await expectProblem(await ask(method, path, headers), 401, "unauthenticated")
    })

    it("answers 401 to a token of ours for a user who no longer exists", async () => {
      const { login, authorization } = await register()
      const { id } = await system.database.client.user.findUniqueOrThrow({ where: { login } })
      await system.database.client.userBalance.delete({ where: { userId: id } })
      await system.database.client.user.delete({ where: { id } })
      await expectProblem(await ask(method, path, { authorization }), 401, "unauthenticated")
    })
  })

  it("answers 401 to a token that is older than its user: it was another one's of the same id", async () => {
    const { login } = await register()
    const { id } = await system.database.client.user.findUniqueOrThrow({ where: { login } })
    const asked = (iat: number) =>
      ask("GET", "/api/user/balance", {
        authorization: `Bearer ${forge(id, { claims: { iat } })}`,
      })
    const nowSeconds = Date.now() / 1_000
    await expectProblem(await asked(nowSeconds - 60), 401, "unauthenticated")
    expect((await asked(nowSeconds)).status).toBe(200)
  })

  it("answers 401 to a token whose user ended the tokens of its time", async () => {
    const { login, authorization } = await register()
    await system.database.client.$executeRaw`
      UPDATE users SET tokens_valid_from = clock_timestamp() + interval '1 minute'
       WHERE login = ${login}`
    const response = await ask("GET", "/api/user/balance", { authorization })
    await expectProblem(response, 401, "unauthenticated")
  })

  it("answers 401 to an expired token signed with our key", async () => {
    const now = Math.floor(Date.now() / 1_000)
    const token = await new SignJWT()
      .setProtectedHeader({ alg: "HS256", typ: "JWT", kid: "test" })
      .setSubject("1")
      .setIssuer("gofermart")
      .setAudience("gofermart-api")
      .setIssuedAt(now - 7_200)
      .setExpirationTime(now - 3_600)
      .sign(Buffer.from(TEST_KEY, "base64url"))
    const response = await ask("GET", "/api/user/balance", { authorization: `Bearer ${token}` })
    await expectProblem(response, 401, "unauthenticated")
  })

  it("takes the cookie beside the credentials of another scheme, and as carefully", async () => {
    const { authorization } = await register()
    const cookie = authorization.replace("Bearer ", "gofermart=")
    const withBoth = (given: string, headers: Record<string, string> = {}) =>
      ask("GET", "/api/user/balance", { authorization: given, cookie, ...headers })
    for (const other of ["Basic YTpi", "Negotiate YTpi", "Digest a=b", "Bearers a"]) {
      expect((await withBoth(other)).status).toBe(200)
    }
    for (const ours of ["Bearer", "Bearer garbage", "bearer\tgarbage", "Bearer a b"]) {
      await expectProblem(await withBoth(ours), 401, "unauthenticated")
    }
    const quoted = cookie.replace("=", '="').concat('"')
    expect((await withBoth("", { cookie: quoted })).status).toBe(200)
    for (const half of [quoted.slice(0, -1), `${cookie}"`, quoted.replaceAll('"', '""')]) {
      await expectProblem(await withBoth("", { cookie: half }), 401, "unauthenticated")
    }
    const twice = await withBoth("Basic YTpi", { cookie: `${cookie}; gofermart=a` })
    await expectProblem(twice, 400, "malformed_request")
    const headers = { authorization: "Basic YTpi", cookie, "sec-fetch-site": "cross-site" }
    await expectProblem(await ask("POST", "/api/user/logout", headers), 403, "cross_site")
  })

  it("does not let another site act with the cookie", async () => {
    const { authorization } = await register()
    const token = authorization.replace("Bearer ", "")
    const post = (site: string) =>
      fetch(`${system.apiUrl}/api/user/orders`, {
        method: "POST",
        headers: {
          cookie: `gofermart=${token}`,
          "sec-fetch-site": site,
          "content-type": "text/plain",
        },
        body: newNumber(),
      })
    await expectProblem(await post("cross-site"), 403, "cross_site")
    await expectProblem(await post("same-site"), 403, "cross_site")
    expect((await post("same-origin")).status).toBe(202)
  })
})
