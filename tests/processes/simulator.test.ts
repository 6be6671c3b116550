import { execFile, fork, type ChildProcess } from "node:child_process"
import { once } from "node:events"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { promisify } from "node:util"
import { builtPath } from "@gofermart/bundle/build.ts"
import { afterEach, expect, test, vi } from "vitest"

// Each test starts processes, perhaps on a busy machine.
vi.setConfig({ testTimeout: 30_000 })

const MAIN = join(import.meta.dirname, "../..", builtPath("simulator"))
const NUMBER = "2377225624"

const started: ChildProcess[] = []

afterEach(() => {
  for (const simulator of started.splice(0)) simulator.kill("SIGKILL")
})

async function startProcess(...flags: string[]): Promise<{ process: ChildProcess; url: string }> {
  const simulator = fork(MAIN, ["--address", "127.0.0.1:0", "--log-level", "silent", ...flags])
  started.push(simulator)
  // Waiting for word from a process that has ended would only end with the test's time.
  const ended = once(simulator, "exit").then(([code]) => {
    throw new Error(`the simulator ended with ${code} before it was ready`)
  })
  const ready = once(simulator, "message")
  const [message] = (await Promise.race([ready, ended])) as [{ ready: boolean; url: string }]
  expect(message.ready).toBe(true)
  return { process: simulator, url: message.url }
}

async function post(url: string, body: unknown): Promise<number> {
  const headers = { "content-type": "application/json" }
  return (await fetch(url, { method: "POST", headers, body: JSON.stringify(body) })).status
}

async function exitCode(simulator: ChildProcess): Promise<number | null> {
  if (simulator.exitCode === null) await once(simulator, "exit")
  return simulator.exitCode
}

test("tells its parent its URL, serves there, and exits with 0 on SIGTERM", async () => {
  const { process: simulator, url } = await startProcess("--auto-register")
  const response = await fetch(`${url}/api/orders/${NUMBER}`)
  expect(await response.json()).toEqual({ order: NUMBER, status: "PROCESSED", accrual: 7.24 })
  simulator.kill("SIGTERM")
  expect(await exitCode(simulator)).toBe(0)
})

test("ends when its parent is gone", async () => {
  const { process: simulator } = await startProcess()
  simulator.disconnect()
  expect(await exitCode(simulator)).toBe(0)
})

test("with a state file, what it accepted survives a kill -9", async () => {
  const folder = await mkdtemp(join(tmpdir(), "simulator-main-"))
  const state = ["--state", join(folder, "state.jsonl")]
  const mechanic = { match: "Bork", reward: 5, reward_type: "%" }
  const order = { order: NUMBER, goods: [{ description: "Bork", price: 100 }] }
  const invalidOrder = { order: "12345678903", goods: [] }

  const first = await startProcess(...state, "--auto-register")
  expect(await post(`${first.url}/api/goods`, mechanic)).toBe(200)
  expect(await post(`${first.url}/api/orders`, order)).toBe(202)
  expect(await post(`${first.url}/api/orders`, invalidOrder)).toBe(202)
  const derived = await (await fetch(`${first.url}/api/orders/79927398713`)).json()
  first.process.kill("SIGKILL")
  await exitCode(first.process)

  const second = await startProcess(...state)
  const answer = async (number: string) =>
    (await fetch(`${second.url}/api/orders/${number}`)).json()
  expect(await answer(NUMBER)).toEqual({ order: NUMBER, status: "PROCESSED", accrual: 5 })
  expect(await answer("12345678903")).toEqual({ order: "12345678903", status: "INVALID" })
  expect(await answer("79927398713")).toEqual(derived)
  expect(await post(`${second.url}/api/goods`, mechanic)).toBe(409)
  expect(await post(`${second.url}/api/orders`, order)).toBe(409)
  await rm(folder, { recursive: true })
})

test("--help explains itself, and a bad setting ends the process with 78 and a reason", async () => {
  const run = (...args: string[]) => promisify(execFile)(process.execPath, [MAIN, ...args])
  await Promise.all([
    expect(run("--help")).resolves.toMatchObject({
      stdout: expect.stringContaining("--address, or SIMULATOR_ADDRESS"),
    }),
    expect(run("--check", "--delay-ms", "5")).resolves.toMatchObject({
      stdout: "The settings are usable.\n",
    }),
    expect(run("--check", "--error-rate", "2")).rejects.toMatchObject({ code: 78 }),
    expect(run("--error-rate", "2")).rejects.toMatchObject({
      code: 78,
      stderr: expect.stringMatching(/SIMULATOR_ERROR_RATE must be a number from 0 to 1.*\n$/),
    }),
    expect(run("--state", MAIN)).rejects.toMatchObject({
      code: 78,
      stderr: expect.stringContaining("line 1 of"),
    }),
  ])
})
