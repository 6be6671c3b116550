import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { eventually } from "../harness/eventually.ts"
import { newLogin } from "../harness/numbers.ts"
import { expectProblem } from "../harness/problem.ts"
import { startSystem, type System } from "../harness/system.ts"

const PASSWORD = "a good password"
/** How long an instance may go on accepting tokens that were ended on another one. */
const ELSEWHERE_MS = 5_000

/** Somebody who is logged in. */
interface Session {
  login: string
  authorization: string
  cookie: string
}

describe("sessions", () => {
  let system: System
  let secondUrl: string
  beforeAll(async () => {
    system = await startSystem({
      backend: "postgresql",
      workers: 0,
      env: { TRUSTED_PROXIES: "127.0.0.1" },
    })
    secondUrl = (await system.addApi()).details["url"] ?? ""
  })
  afterAll(() => system.close())

  const ask = (
    method: string,
    path: string,
    headers: Record<string, string>,
    body?: object,
    apiUrl = system.apiUrl,
  ) =>
    fetch(`${apiUrl}/api/user/${path}`, {
      method,
      headers: {
        ...headers,
        ...(body === undefined ? {} : { "content-type": "application/json" }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })

  const sessionOf = (login: string, { headers }: Response): Session => ({
    login,
    authorization: headers.get("authorization") ?? "",
    cookie: headers.getSetCookie()[0]?.split(";", 1)[0] ?? "",
  })
  const register = async () => {
    const login = newLogin()
    return sessionOf(login, await ask("POST", "register", {}, { login, password: PASSWORD }))
  }
  const logIn = async (login: string, password = PASSWORD) => {
    const response = await ask("POST", "login", {}, { login, password })
    expect(response.status).toBe(200)
    return sessionOf(login, response)
  }
  const logOutEverywhere = async ({ authorization }: Session) => {
    const response = await ask("POST", "logout?everywhere=true", { authorization })
    expect(response.status).toBe(204)
  }
  const changePassword = (
    { authorization }: Session,
    password: string,
    new_password: string,
    headers: Record<string, string> = {},
  ) => ask("PUT", "password", { ...headers, authorization }, { password, new_password })

  /** What each way of sending a session's token is answered with. */
  const statusesOf = async ({ authorization, cookie }: Session, apiUrl = system.apiUrl) => {
    const headers: Record<string, string>[] = [{ authorization }, { cookie }]
    const answers = headers.map((each) => ask("GET", "balance", each, undefined, apiUrl))
    return (await Promise.all(answers)).map(({ status }) => status)
  }
  const expectAlive = async (session: Session) => {
    expect(await statusesOf(session)).toEqual([200, 200])
  }
  const expectEnded = async (session: Session) => {
    expect(await statusesOf(session)).toEqual([401, 401])
  }

  /** Whatever changes a user meanwhile is visible to others only a while after it was done. */
  const withSlowCommits = async (act: () => Promise<void>) => {
    const { client } = system.database
    await client.$executeRaw`
      CREATE FUNCTION commit_slowly() RETURNS trigger LANGUAGE plpgsql
      AS $$ BEGIN PERFORM pg_sleep(0.6); RETURN NULL; END $$`
    await client.$executeRaw`
      CREATE CONSTRAINT TRIGGER commit_slowly AFTER UPDATE ON users
      DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION commit_slowly()`
    try {
      await act()
    } finally {
      await client.$executeRaw`DROP FUNCTION commit_slowly CASCADE`
    }
  }

  const commitUnderWay = () =>
    eventually("a user is being changed", async () => {
      const [{ count } = { count: 0n }] = await system.database.client.$queryRaw<
        { count: bigint }[]
      >`SELECT count(*) FROM pg_stat_activity
         WHERE datname = current_database() AND wait_event = 'PgSleep'`
      return count > 0n
    })

  describe("logging out", () => {
    it("takes no body, so its type does not count", async () => {
      const { login } = await register()
      for (const type of [
        "application/x-www-form-urlencoded",
        "application/json",
        "text/plain",
        "x",
      ]) {
        for (const body of [{}, { body: "" }]) {
          const { authorization } = await logIn(login)
          const headers = { authorization, "content-type": type }
          const url = `${system.apiUrl}/api/user/logout`
          const { status } = await fetch(url, { method: "POST", headers, ...body })
          expect({ type, body, status }).toEqual({ type, body, status: 204 })
        }
      }
    })

    it("makes a browser forget the cookie, by the attributes it was set with", async () => {
      const login = newLogin()
      for (const proto of ["http", "https", "HTTPS"]) {
        const forwarded = { "x-forwarded-proto": proto }
        const path = proto === "http" ? "register" : "login"
        const loggedIn = await ask("POST", path, forwarded, { login, password: PASSWORD })
        const [given = ""] = loggedIn.headers.getSetCookie()
        const [cookie = ""] = given.split(";", 1)
        expect(cookie).toMatch(proto === "http" ? /^gofermart=/ : /^__Host-gofermart=/)
        expect(/; Secure/.test(given)).toBe(proto !== "http")
        const response = await ask("POST", "logout", { ...forwarded, cookie })
        expect(response.status).toBe(204)
        expect(await response.text()).toBe("")
        const [cleared = ""] = response.headers.getSetCookie()
        const attributes = (text: string) =>
          text
            .split("; ")
            .slice(1)
            .filter((attribute) => !/^(Max-Age|Expires)=/.test(attribute))
            .toSorted()
        expect(cleared).toMatch(new RegExp(`^${cookie.split("=")[0]}=;.*Expires=Thu, 01 Jan 1970`))
        expect(attributes(cleared)).toEqual(attributes(given))
      }
    })

    it("ends this token at once, in a header and in a cookie", async () => {
      const session = await register()
      await expectAlive(session)
      await ask("POST", "logout", { cookie: session.cookie })
      await expectEnded(session)
      const { authorization } = session
      await expectProblem(await ask("POST", "logout", { authorization }), 401, "unauthenticated")
    })

    it("ends a token however its signature is spelled", async () => {
      const session = await register()
      // Of the last character two bits count for nothing.
      const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
      const last = alphabet.indexOf(session.authorization.slice(-1))
      const spellings = [0, 1, 2, 3].map((i) => ({
        ...session,
        authorization: session.authorization.slice(0, -1) + alphabet[last - (last % 4) + i],
        cookie: session.cookie.slice(0, -1) + alphabet[last - (last % 4) + i],
      }))
      await ask("POST", "logout", { authorization: session.authorization })
      for (const spelling of spellings) await expectEnded(spelling)
    })

    it("is remembered until the token has expired", async () => {
      const { client } = system.database
      const hour = (ago: number) => client.$executeRaw`
        INSERT INTO ended_tokens (hash, expires_at)
        VALUES (${`ended ${ago} hours ago`}, clock_timestamp() - ${ago}::int * interval '1 hour')`
      await Promise.all([0, 2].map(hour))
      await ask("POST", "logout", { authorization: (await register()).authorization })
      const tokens = await client.endedToken.findMany({ where: { hash: { startsWith: "ended" } } })
      expect(tokens).toEqual([{ hash: "ended 0 hours ago" }])
    })

    it("ends no other session", async () => {
      const { login, authorization } = await register()
      const other = await logIn(login)
      await ask("POST", "logout?everywhere=false", {
        authorization: (await logIn(login)).authorization,
      })
      await ask("POST", "logout", { authorization })
      await expectAlive(other)
    })

    it("needs a token, and is nothing that another site can do", async () => {
      const { cookie } = await register()
      await expectProblem(await ask("POST", "logout", {}), 401, "unauthenticated")
      const headers = { cookie, "sec-fetch-site": "cross-site" }
      await expectProblem(await ask("POST", "logout?everywhere=true", headers), 403, "cross_site")
    })

    it("does not guess what it is asked for", async () => {
      const { authorization } = await register()
      const response = await ask("POST", "logout?everywhere=perhaps", { authorization })
      await expectProblem(response, 400, "malformed_request")
    })
  })

  describe("logging out everywhere", () => {
    it("ends every token issued before, in a header and in a cookie, and nobody else's", async () => {
      const sessions = [await register()]
      const [first] = sessions
      const somebodyElse = await register()
      for (let i = 0; i < 3; i++) sessions.push(await logIn(first?.login ?? ""))
      for (const session of sessions) await expectAlive(session)
      await logOutEverywhere(sessions[1] ?? somebodyElse)
      for (const session of sessions) await expectEnded(session)
      await expectAlive(somebodyElse)
    })

    it("leaves whoever logs in right after it logged in, and ends that too when asked", async () => {
      let session = await register()
      for (let round = 0; round < 20; round++) {
        const before = session
        await logOutEverywhere(before)
        session = await logIn(before.login)
        await expectAlive(session)
        await expectEnded(before)
      }
    })

    it("ends what was issued since the last time, however close, or ahead of the clock", async () => {
      const { login } = await register()
      await system.database.client.$executeRaw`
        UPDATE users SET tokens_valid_from = clock_timestamp() + interval '1 minute'
         WHERE login = ${login}`
      const session = await logIn(login)
      await expectAlive(session)
      await logOutEverywhere(session)
      await expectEnded(session)
      await expectAlive(await logIn(login))
    })

    it("is for good when an operator ends them at infinity: 401, and no new one", async () => {
      const session = await register()
      await system.database.client.$executeRaw`
        UPDATE users SET tokens_valid_from = 'infinity' WHERE login = ${session.login}`
      await eventually("the token is refused", async () => {
        const { authorization } = session
        return (await ask("GET", "balance", { authorization })).status === 401
      })
      const credentials = { login: session.login, password: PASSWORD }
      await expectProblem(await ask("POST", "login", {}, credentials), 401, "wrong_credentials")
    })

    it("ends the token of a login that came while this was being committed", async () => {
      const session = await register()
      await withSlowCommits(async () => {
        const ending = logOutEverywhere(session)
        await commitUnderWay()
        const meanwhile = await logIn(session.login)
        await ending
        await expectEnded(meanwhile)
        await expectEnded(session)
      })
      await expectAlive(await logIn(session.login))
    })

    it("is known to every other instance within five seconds, as is logging out", async () => {
      const session = await register()
      const loggedOut = await register()
      for (const each of [session, loggedOut]) {
        expect(await statusesOf(each, secondUrl)).toEqual([200, 200])
      }
      const { authorization } = loggedOut
      expect((await ask("POST", "logout", { authorization })).status).toBe(204)
      await logOutEverywhere(session)
      const refused = async () => {
        const statuses = [
          await statusesOf(session, secondUrl),
          await statusesOf(loggedOut, secondUrl),
        ]
        return statuses.flat().every((status) => status === 401)
      }
      await eventually("the other instance refuses both tokens", refused, ELSEWHERE_MS + 500)
      const fresh = await logIn(session.login)
      expect(await statusesOf(fresh, secondUrl)).toEqual([200, 200])
    })
  })

  describe("changing the password", () => {
    it("ends the old password and every token, and answers with a token that is valid", async () => {
      const before = await register()
      const other = await logIn(before.login)
      await expectAlive(other)
      const response = await changePassword(before, PASSWORD, "another password")
      const after = sessionOf(before.login, response)
      expect(response.status).toBe(200)
      expect(await response.json()).toEqual({
        access_token: after.authorization.replace("Bearer ", ""),
        token_type: "Bearer",
        expires_in: 86_400,
      })
      await expectAlive(after)
      await expectEnded(before)
      await expectEnded(other)
      const oldOne = { login: before.login, password: PASSWORD }
      await expectProblem(await ask("POST", "login", {}, oldOne), 401, "wrong_credentials")
      await expectAlive(await logIn(before.login, "another password"))
    })

    it("works again and again, each time with a token that is valid at once", async () => {
      let session = await register()
      for (let round = 0; round < 5; round++) {
        const passwords = [PASSWORD, "another password"]
        const [from = "", to = ""] = round % 2 === 0 ? passwords : passwords.toReversed()
        const before = session
        session = sessionOf(before.login, await changePassword(before, from, to))
        await expectAlive(session)
        await expectEnded(before)
      }
    })

    it("is known to every other instance within five seconds", async () => {
      const before = await register()
      expect(await statusesOf(before, secondUrl)).toEqual([200, 200])
      const response = await changePassword(before, PASSWORD, "another password")
      const after = sessionOf(before.login, response)
      expect(await statusesOf(after, secondUrl)).toEqual([200, 200])
      const refused = async () => (await statusesOf(before, secondUrl)).every((s) => s === 401)
      await eventually("the other instance refuses the token", refused, ELSEWHERE_MS + 500)
    })

    it("ends the token of a login with the old one that came while it was committed", async () => {
      const session = await register()
      await withSlowCommits(async () => {
        const changing = changePassword(session, PASSWORD, "another password")
        await commitUnderWay()
        const meanwhile = await logIn(session.login)
        expect((await changing).status).toBe(200)
        await expectEnded(meanwhile)
      })
    })

    it("has one winner of two at the same time", async () => {
      const session = await register()
      const passwords = ["the first password", "the second password"]
      const answers = await Promise.all(
        passwords.map((password) => changePassword(session, PASSWORD, password)),
      )
      const winner = answers.findIndex(({ status }) => status === 200)
      const [won, lost] = winner === 0 ? answers : answers.toReversed()
      if (lost === undefined || won === undefined) throw new Error("there were two")
      expect(won.status).toBe(200)
      await expectProblem(lost, 403, "wrong_password")
      await expectAlive(sessionOf(session.login, won))
      await expectAlive(await logIn(session.login, passwords[winner]))
      const loser = { login: session.login, password: passwords[1 - winner] }
      expect((await ask("POST", "login", {}, loser)).status).toBe(401)
    })

    it("needs the present password, and changes nothing without it", async () => {
      const session = await register()
      const response = await changePassword(session, "a wrong password", "another password")
      await expectProblem(response, 403, "wrong_password")
      expect(response.headers.get("authorization")).toBeNull()
      await expectAlive(session)
      await logIn(session.login)
    })

    it("takes no password that could not be registered", async () => {
      const session = await register()
      for (const password of ["1234567", "x".repeat(257)]) {
        const response = await changePassword(session, PASSWORD, password)
        const { errors } = await expectProblem(response, 400, "malformed_request")
        const detail = "The field new_password must have 8 to 256 characters."
        expect(errors).toEqual([{ detail, pointer: "#/new_password" }])
      }
      for (const password of ["password", "12345678", session.login]) {
        const response = await changePassword(session, PASSWORD, password)
        await expectProblem(response, 400, "guessable_password")
      }
      for (const body of [{}, { password: PASSWORD }, { password: PASSWORD, new_password: 12 }]) {
        const { authorization } = session
        const response = await ask("PUT", "password", { authorization }, body)
        await expectProblem(response, 400, "malformed_request")
      }
      await expectAlive(session)
    })

    it("counts a wrong present password as a failed login of the same address", async () => {
      const session = await register()
      const address = { "x-forwarded-for": "203.0.113.7" }
      for (let i = 0; i < 10; i++) {
        const response = await changePassword(session, "a wrong password", "a new one", address)
        await expectProblem(response, 403, "wrong_password")
      }
      const refused = await changePassword(session, PASSWORD, "another password", address)
      await expectProblem(refused, 429, "too_many_attempts")
      expect(refused.headers.get("ratelimit")).toMatch(/^"login";r=0;t=\d+$/)
      const right = { login: session.login, password: PASSWORD }
      expect((await ask("POST", "login", address, right)).status).toBe(429)
      expect((await changePassword(session, PASSWORD, "another password")).status).toBe(200)
    })

    it("needs a token, and is nothing that another site can do", async () => {
      const { cookie } = await register()
      const body = { password: PASSWORD, new_password: "another password" }
      await expectProblem(await ask("PUT", "password", {}, body), 401, "unauthenticated")
      const headers = { cookie, "sec-fetch-site": "cross-site" }
      await expectProblem(await ask("PUT", "password", headers, body), 403, "cross_site")
    })
  })

  it("end the tokens that an instance with a wrong clock gave out", async () => {
    const clock = new URL("../harness/clock-an-hour-ahead.ts", import.meta.url)
    const ahead = await system.addApi({ NODE_OPTIONS: `--import=${clock.href}` })
    const apiUrl = ahead.details["url"]
    const login = newLogin()
    const credentials = { login, password: PASSWORD }
    const registered = await ask("POST", "register", {}, credentials, apiUrl)
    const loggedIn = await ask("POST", "login", {}, credentials, apiUrl)
    const sessions = [sessionOf(login, registered), sessionOf(login, loggedIn)]
    for (const session of sessions) await expectAlive(session)
    await logOutEverywhere(await logIn(login))
    for (const session of sessions) expect(await statusesOf(session)).toEqual([401, 401])
  })
})
