import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { eventually } from "../harness/eventually.ts"
import { newLogin, newNumber } from "../harness/numbers.ts"
import { startSystem, type System } from "../harness/system.ts"
import { sendCredentials } from "./requests.ts"
import { expectRefused, expectStatus, expectWithin, note, printTable } from "./table.ts"

const FAILURES_MAX = 10
const FAILURES_PER_ADDRESS_MAX = 40
const FLOOD_AT_ONCE = 50
const UPLOADS = 40
/** Many times what they take, and a fraction of what it would take to wait for the flood. */
const UPLOAD_MEDIAN_MAX_MS = 250
const UPLOAD_MAX_MS = 2_000
const WRONG = "a wrong password"

describe("a flood of logins", () => {
  let system: System
  let proxiedUrl: string
  beforeAll(async () => {
    const env = { LOGIN_FAILURES_PER_ADDRESS_MAX: String(FAILURES_PER_ADDRESS_MAX) }
    system = await startSystem({ backend: "postgresql", workers: 0, env })
    const proxied = await system.addApi({ TRUSTED_PROXIES: "127.0.0.1" })
    proxiedUrl = proxied.details["url"] ?? ""
  })
  afterAll(async () => {
    printTable()
    await system.close()
  })

  const logIn = (apiUrl: string, login: string, password: string | undefined, address: string) =>
    sendCredentials(apiUrl, "login", login, password, { "x-forwarded-for": address })
  const expectTooMany = async (what: string, response: Response) => {
    await expectRefused(7, what, response, 429, "too_many_attempts")
    expect(Number(response.headers.get("retry-after"))).toBeGreaterThan(0)
    expect(response.headers.getSetCookie()).toEqual([])
  }
  /** Fails as often as is allowed and twice more; `addressOf` says what is forwarded each time. */
  const expectStopped = async (
    what: string,
    apiUrl: string,
    failuresMax: number,
    loginOf: () => string,
    addressOf: (i: number) => string,
  ) => {
    for (let i = 0; i < failuresMax; i++) {
      const { status } = await logIn(apiUrl, loginOf(), WRONG, addressOf(i))
      expect(status).toBe(401)
    }
    for (const more of [1, 2]) {
      const refused = await logIn(apiUrl, loginOf(), WRONG, addressOf(failuresMax + more))
      await expectTooMany(`${what}, failure ${failuresMax + more}`, refused)
    }
  }

  it("row 7: login flood, forged X-Forwarded-For: 429; the victim and uploads go on", async () => {
    const victim = newLogin()
    expect((await sendCredentials(system.apiUrl, "register", victim)).status).toBe(200)
    const customer = await system.register()
    const forged = (i: number) => `203.0.113.${i}`

    // Through a trusted proxy, which adds the address it sees to what the client has forged.
    const behindProxy = (i: number) => `${forged(i)}, 198.51.100.1`
    await expectStopped("by proxy, one login", proxiedUrl, FAILURES_MAX, () => victim, behindProxy)
    const rest = FAILURES_PER_ADDRESS_MAX - FAILURES_MAX
    await expectStopped("by proxy, any login", proxiedUrl, rest, newLogin, behindProxy)
    const elsewhere = await logIn(proxiedUrl, victim, undefined, "198.51.100.2")
    expectStatus(7, "the victim, from elsewhere", elsewhere, 200)

    // Many at once, from yet another address, for as long as the others are at it.
    const flood = { goesOn: true, answers: { 401: 0, 429: 0, other: 0 } }
    const floods = Array.from({ length: FLOOD_AT_ONCE }, async () => {
      while (flood.goesOn) {
        const { status } = await logIn(proxiedUrl, victim, WRONG, behindFlood())
        flood.answers[status === 401 || status === 429 ? status : "other"] += 1
      }
    })
    const uploadTimes: number[] = []
    for (let i = 0; i < UPLOADS; i++) {
      const start = performance.now()
      const response = await fetch(`${proxiedUrl}/api/user/orders`, {
        method: "POST",
        headers: { authorization: customer.authorization, "content-type": "text/plain" },
        body: newNumber(),
      })
      uploadTimes.push(performance.now() - start)
      expect(response.status).toBe(202)
    }
    const meanwhile = await logIn(proxiedUrl, victim, undefined, "198.51.100.4")
    expectStatus(7, "the victim, from elsewhere, during the flood", meanwhile, 200)
    await eventually("each of them was refused", async () => flood.answers[429] > FLOOD_AT_ONCE)
    flood.goesOn = false
    await Promise.all(floods)
    note(7, "flood: answers with 401", flood.answers[401])
    note(7, "flood: answers with 429", flood.answers[429])
    const [middle = 0, slowest = 0] = [UPLOADS / 2, UPLOADS - 1].map(
      (i) => uploadTimes.toSorted((a, b) => a - b)[i],
    )
    expectWithin(7, `median of ${UPLOADS} uploads of others`, middle, UPLOAD_MEDIAN_MAX_MS)
    expectWithin(7, `slowest of ${UPLOADS} uploads of others`, slowest, UPLOAD_MAX_MS)
    expect(flood.answers).toEqual({ 401: FAILURES_MAX, 429: expect.any(Number), other: 0 })

    // Nobody forwards anything to this instance, so what says so is forged.
    await expectStopped("forged, one login", system.apiUrl, FAILURES_MAX, () => victim, forged)
    await expectStopped("forged, any login", system.apiUrl, rest, newLogin, forged)
  })

  let floods = 0
  const behindFlood = () => {
    floods += 1
    return `203.0.113.${floods % 250}, 198.51.100.3`
  }
})
