import { spawn } from "node:child_process"
import { once } from "node:events"
import { access, mkdtemp, readFile, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { compileCacheEnv } from "@gofermart/local-stack/compile-cache.ts"
import { Customer } from "@gofermart/local-stack/customer.ts"
import { freePort } from "@gofermart/local-stack/ports.ts"
import type { Stack } from "@gofermart/local-stack/stack.ts"
import { buildSimulator } from "@gofermart/scoring-simulator/app.ts"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { createEmptyDatabase } from "../harness/database.ts"
import { eventually } from "../harness/eventually.ts"
import { newLogin, newNumber } from "../harness/numbers.ts"

/** For a new database, three processes and a busy machine. */
const READY_WITHIN_MS = 90_000
const TIMEOUT_MS = 150_000
/** Another than `start` takes by itself; Linux alone has several loopback addresses. */
const OPERATORS_HOST = process.platform === "linux" ? "127.0.0.2" : "127.0.0.1"

const program = fileURLToPath(new URL("../../packages/local-stack/src/start.ts", import.meta.url))

describe("start with the three names of the published contract", () => {
  let folder: string
  let database: Awaited<ReturnType<typeof createEmptyDatabase>>
  let simulator: ReturnType<typeof buildSimulator>
  let scoringUrl: string
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "gofermart-start-"))
    database = await createEmptyDatabase()
    simulator = buildSimulator({ behaviour: { autoRegister: true } })
    scoringUrl = await simulator.listen({ host: "127.0.0.1", port: 0 })
  })
  afterEach(async () => {
    await simulator.close()
    await rm(folder, { recursive: true })
  })

  const start = (args: string[], env: Record<string, string>) =>
    spawn(process.execPath, [program, ...args], {
      env: { PATH: process.env["PATH"], ...compileCacheEnv(), GOFERMART_DATA: folder, ...env },
      stdio: ["ignore", "pipe", "pipe"],
    })
  const settings = async () => {
    const address = `127.0.0.1:${await freePort()}`
    return { address, apiUrl: `http://${address}` }
  }

  it.each(["environment", "flags"])(
    "given as %s serves on a new database, embeds nothing and stops on SIGINT",
    async (way) => {
      const { address, apiUrl } = await settings()
      const process =
        way === "flags"
          ? start(["-a", address, "-d", database.url, "-r", scoringUrl], {})
          : start([], {
              RUN_ADDRESS: address,
              DATABASE_URI: database.url,
              ACCRUAL_SYSTEM_ADDRESS: scoringUrl.replace("http://", ""),
              OPERATORS_ADDRESS: `${OPERATORS_HOST}:0`,
            })
      const exited = once(process, "exit")
      await eventually(
        "the API is ready",
        async () => (await fetch(`${apiUrl}/readyz`).catch(() => undefined))?.ok,
        READY_WITHIN_MS,
      )
      const anna = await Customer.register(apiUrl, newLogin())
      expect(await anna.upload(newNumber())).toBe(202)
      await eventually("the order is settled", async () => {
        const [order] = await anna.orders()
        return order?.status === "PROCESSED"
      })
      const running = await readFile(join(folder, "running.json"), "utf8")
      const { operatorsUrl, workerUrls } = JSON.parse(running) as Stack
      const hosts = [operatorsUrl, ...workerUrls].map((url) => new URL(url).hostname)
      const host = way === "flags" ? "127.0.0.1" : OPERATORS_HOST
      expect(hosts).toEqual([host, host])
      await expect(access(join(folder, "postgres"))).rejects.toThrow("ENOENT")
      await expect(access(join(folder, "logs", "simulator.log"))).rejects.toThrow("ENOENT")

      process.kill("SIGINT")
      expect(await exited).toEqual([0, null])
      await expect(fetch(`${apiUrl}/healthz`)).rejects.toThrow("fetch failed")
    },
    TIMEOUT_MS,
  )

  it("says in words what is wrong with a setting, and leaves nothing running", async () => {
    const { address } = await settings()
    const args = ["-a", address, "-d", "mysql://me:secret@nowhere", "-q", "x", "-r", scoringUrl]
    const process = start(args, {})
    let said = ""
    process.stderr.on("data", (text: Buffer) => (said += text.toString()))
    const [code] = await once(process, "close")
    expect(code).toBe(78)
    expect(said).toMatch(/^ {2}DATABASE_URL must be .*\n {2}QUEUE_URL must be /m)
    expect(said).not.toContain("secret")
    await expect(access(join(folder, "lock"))).rejects.toThrow("ENOENT")
    await expect(access(join(folder, "logs", "api.log"))).rejects.toThrow("ENOENT")
  })
})
