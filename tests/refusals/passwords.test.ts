import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { newLogin } from "../harness/numbers.ts"
import { expectProblem } from "../harness/problem.ts"
import { startSystem, type System } from "../harness/system.ts"
import { PASSWORD, sendCredentials, sendJson } from "./requests.ts"
import { expectRefused, expectStatus, note, printTable } from "./table.ts"

const TRIES = 15
const REGISTRATIONS_AT_ONCE = 50
const LOGINS_WAITING = 50
/** So many are answered before what has to wait behind them. */
const LOGINS_ANSWERED_MAX = LOGINS_WAITING / 2
const CONTROLS = { NUL: "\0", "CR LF": "\r\n", CR: "\r", LF: "\n", ESC: "\u001b", NEL: "\u0085" }
const UNSEEN = { "U+202E": "\u202e", "U+200B": "\u200b", "U+2066": "\u2066", "U+3164": "\u3164" }
const MEBIBYTE = 1_048_576
/** Of what an answer says, what is another at each time. */
const DIFFERING = ["date", "x-request-id", "ratelimit"]

describe("logins and passwords", () => {
  let system: System
  beforeAll(async () => {
    const env = { LOGIN_FAILURES_MAX: "1000", LOGIN_FAILURES_PER_ADDRESS_MAX: "1000000" }
    system = await startSystem({ backend: "postgresql", workers: 0, env })
  })
  afterAll(async () => {
    printTable()
    await system.close()
  })

  const register = (login: string, password?: string) =>
    sendCredentials(system.apiUrl, "register", login, password)
  const logIn = (login: string, password?: string) =>
    sendCredentials(system.apiUrl, "login", login, password)
  const shown = async (response: Response) => {
    const { request_id: _, ...problem } = await expectProblem(response, 401, "wrong_credentials")
    const headers = [...response.headers].filter(([name]) => !DIFFERING.includes(name))
    const [limit = ""] = response.headers.get("ratelimit")?.split(";t=") ?? []
    return { problem, headers, limit }
  }

  it("row 3: unknown login and wrong password: 401, same body, same time", async () => {
    const known = newLogin()
    expect((await register(known)).status).toBe(200)
    const wrong = await logIn(known, "a wrong password")
    const unknown = await logIn(newLogin(), "a wrong password")
    await expectRefused(3, "a wrong password", wrong.clone(), 401, "wrong_credentials")
    await expectRefused(3, "an unknown login", unknown.clone(), 401, "wrong_credentials")
    expect(await shown(unknown)).toEqual(await shown(wrong))

    const times: { wrong: number[]; unknown: number[] } = { wrong: [], unknown: [] }
    const timed = async (login: string) => {
      const start = performance.now()
      expect((await logIn(login, "a wrong password")).status).toBe(401)
      return performance.now() - start
    }
    for (let i = 0; i < TRIES; i++) {
      times.wrong.push(await timed(known))
      times.unknown.push(await timed(newLogin()))
    }
    const ratio = median(times.unknown) / median(times.wrong)
    note(3, "time of an unknown login ÷ of a wrong password", ratio.toFixed(2))
    // A hash takes many times what all the rest of a login does.
    expect(ratio).toBeGreaterThan(0.5)
    expect(ratio).toBeLessThan(2)
  })

  it("row 4: 50 simultaneous registrations of one login: one 200, 49 × 409", async () => {
    const login = newLogin()
    const passwords = Array.from({ length: REGISTRATIONS_AT_ONCE }, (_, i) => `${PASSWORD} ${i}`)
    const answers = await Promise.all(passwords.map((password) => register(login, password)))
    const losers = answers.filter(({ status }) => status !== 200)
    const winners = passwords.filter((_password, i) => answers[i]?.status === 200)
    expect(winners).toHaveLength(1)
    note(4, "1 of 50 at once", 200)
    for (const loser of losers) await expectProblem(loser, 409, "login_taken")
    note(4, `${losers.length} of 50 at once`, 409, "login_taken")
    expect(await system.database.client.user.count({ where: { login } })).toBe(1)
    expect((await logIn(login, winners[0])).status).toBe(200)
    const loser = passwords.find((password) => !winners.includes(password))
    expect((await logIn(login, loser)).status).toBe(401)
  })

  it("row 5: 1 MB password, NUL or CR/LF in a login, an object: 400/413 before any hashing", async () => {
    const anna = await system.register()
    // Hashes are made in the order in which they are asked for: a request that asks for one is
    // answered after the logins that wait already.
    let loginsAnswered = 0
    const over = new AbortController()
    const logins = Array.from({ length: LOGINS_WAITING }, async () => {
      while (!over.signal.aborted) {
        expect((await logIn(newLogin(), "a wrong password")).status).toBe(401)
        loginsAnswered += 1
      }
    })
    const sendUnhashed = async (method: string, path: string, body: unknown, headers = {}) => {
      const before = loginsAnswered
      const response = await sendJson(method, `${system.apiUrl}/api/user/${path}`, body, headers)
      expect(loginsAnswered - before).toBeLessThan(LOGINS_ANSWERED_MAX)
      return response
    }
    const changePassword = (body: unknown) =>
      sendUnhashed("PUT", "password", body, { authorization: anna.authorization })

    const huge = "x".repeat(MEBIBYTE)
    const strange: unknown[] = [{}, { toString: "x" }, ["x"], 12_345_678, true, null, undefined]
    for (const path of ["register", "login"]) {
      const send = (body: unknown) => sendUnhashed("POST", path, body)
      const expectMalformed = async (what: string, body: unknown) =>
        expectRefused(5, `${path}: ${what}`, await send(body), 400, "malformed_request")

      const tooLong = await send({ login: newLogin(), password: huge })
      await expectRefused(5, `${path}: password of 1 MB`, tooLong, 413, "body_too_large")
      const longLogin = await send({ login: huge, password: PASSWORD })
      await expectRefused(5, `${path}: login of 1 MB`, longLogin, 413, "body_too_large")
      for (const [name, control] of Object.entries(CONTROLS)) {
        for (const login of [`an${control}na`, `anna${control}`]) {
          const what = `${name} ${login.endsWith("na") ? "in" : "at the end of"} a login`
          await expectMalformed(what, { login, password: PASSWORD })
        }
      }
      for (const value of strange) {
        const text = JSON.stringify(value) ?? "missing"
        await expectMalformed(`login ${text}`, { login: value, password: PASSWORD })
        await expectMalformed(`password ${text}`, { login: newLogin(), password: value })
      }
    }
    for (const [what, unseen] of Object.entries(UNSEEN)) {
      const registered = await register(`an${unseen}na`)
      await expectRefused(5, `register: ${what} in a login`, registered, 400, "malformed_request")
    }
    const tooLong = await changePassword({ password: PASSWORD, new_password: huge })
    await expectRefused(5, "change: password of 1 MB", tooLong, 413, "body_too_large")
    const object = await changePassword({ password: {}, new_password: PASSWORD })
    await expectRefused(5, "change: password {}", object, 400, "malformed_request")

    over.abort()
    await Promise.all(logins)
  })

  it("row 6: password of 64+ characters, any Unicode: 200", async () => {
    const passwords = {
      "64 characters": "x".repeat(64),
      "73 characters": "y".repeat(73),
      "256 characters": "z".repeat(256),
      "256 of four bytes each": "🙂".repeat(256),
      "of several scripts": "пароль 密码 كلمة السر סיסמה ☂️ 👩‍👩‍👧‍👦".repeat(2),
      "with a NUL inside": `${"n".repeat(32)}\0${"u".repeat(32)}`,
      "with spaces around": `  ${"s".repeat(64)}  `,
      "of control characters": "\t\u0007\u001b\u200b\u202e".repeat(13),
    }
    for (const [what, password] of Object.entries(passwords)) {
      const login = newLogin()
      expectStatus(6, `register: ${what}`, await register(login, password), 200)
      expectStatus(6, `log in: ${what}`, await logIn(login, password), 200)
      // All of it counts, to the last character.
      const shorter = await logIn(login, [...password].slice(0, -1).join(""))
      await expectRefused(6, `without its last: ${what}`, shorter, 401, "wrong_credentials")
    }
    const tooLong = await register(newLogin(), "x".repeat(257))
    await expectRefused(6, "register: 257 characters", tooLong, 400, "malformed_request")
  })
})

function median(values: number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0
}
