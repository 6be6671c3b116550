import { fork } from "node:child_process"
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest"
import { eventually } from "../harness/eventually.ts"
import { newLogin } from "../harness/numbers.ts"
import { peakMemoryBytes } from "../harness/peak-memory.ts"
import { startSystem, type System } from "../harness/system.ts"
import { PASSWORD, sendCredentials } from "../refusals/requests.ts"
import type { Answers } from "./login-crowd.ts"

const CONNECTIONS = 240
const ACCOUNTS = 12
const ADDRESSES = ["203.0.113.1", "203.0.113.2", "203.0.113.3"]
const LOGINS_MEASURED = 20
/** Promises: of a login in times of what one takes while nobody else logs in, and of the process. */
const WAITING_MAX = 3 + ADDRESSES.length
/** One hash more than at rest, and what so many requests hold: two hashes more are 92 MiB. */
const GROWTH_BYTES_MAX = 64 * 2 ** 20

describe(`${CONNECTIONS} connections that log in with right passwords, from three addresses`, () => {
  let system: System
  const logins = Array.from({ length: ACCOUNTS }, newLogin)
  const stranger = newLogin()
  beforeAll(async () => {
    const env = {
      TRUSTED_PROXIES: "127.0.0.1",
      // What V8 takes when nobody limits it says nothing of what is needed.
      NODE_OPTIONS: "--max-old-space-size=128 --max-semi-space-size=8",
    }
    system = await startSystem({ backend: "postgresql", workers: 0, env })
    for (const login of [...logins, stranger]) {
      expect((await sendCredentials(system.apiUrl, "register", login)).status).toBe(200)
    }
  })
  afterAll(() => system.close())

  /** They log in until the test is over; gives how they have been answered so far. */
  const crowd = (): (() => Answers) => {
    let answers: Answers = {}
    const customers = logins.map((login) => ({ login, password: PASSWORD }))
    const args = [system.apiUrl, JSON.stringify(customers), JSON.stringify(ADDRESSES)]
    const program = new URL("login-crowd.ts", import.meta.url)
    const process = fork(program, [...args, `${CONNECTIONS}`])
    process.on("message", (told: Answers) => {
      answers = told
    })
    const ended = new Promise((resolve) => process.once("exit", resolve))
    onTestFinished(async () => {
      process.disconnect()
      await ended
    })
    return () => answers
  }

  /** How long the stranger's logins take, one after the other: the median, in milliseconds. */
  const strangersLogin = async () => {
    const took: number[] = []
    for (let i = 0; i < LOGINS_MEASURED; i++) {
      const begun = performance.now()
      const from = { "x-forwarded-for": `198.51.100.${i + 1}` }
      const response = await sendCredentials(system.apiUrl, "login", stranger, PASSWORD, from)
      took.push(performance.now() - begun)
      expect(response.status).toBe(200)
    }
    return took.toSorted((a, b) => a - b)[LOGINS_MEASURED / 2] ?? 0
  }

  it("49: a stranger waits for one hash of each address, and the API hardly grows", async () => {
    const idleMs = await strangersLogin()
    const idleBytes = await peakMemoryBytes(system.api.pid)
    const answers = crowd()
    await eventually("all of them wait", async () => (answers()["200"] ?? 0) >= ACCOUNTS)
    const crowdedMs = await strangersLogin()
    const grownBytes = (await peakMemoryBytes(system.api.pid)) - idleBytes
    const { 200: served = 0, 429: refused = 0, ...others } = answers()
    expect(crowdedMs).toBeLessThanOrEqual(WAITING_MAX * idleMs)
    expect(grownBytes).toBeLessThanOrEqual(GROWTH_BYTES_MAX)
    // More wait at an address than may: the others are told so, and nobody anything else.
    expect(served).toBeGreaterThan(ACCOUNTS)
    expect(refused).toBeGreaterThan(0)
    expect(others).toEqual({})
  })
})
