import { setTimeout as sleep } from "node:timers/promises"
import { type Child, startChild } from "@gofermart/local-stack/child.ts"
import { freePort } from "@gofermart/local-stack/ports.ts"
import { afterEach, expect, it } from "vitest"
import { describeOnBackends } from "../harness/backends.ts"
import { eventually } from "../harness/eventually.ts"
import { newNumbers } from "../harness/numbers.ts"
import { expectAllSettledOnce } from "../harness/oracle.ts"
import { startSystem, type System } from "../harness/system.ts"

const ORDERS = 600
/** For all workers to know, who look once a second. */
const FOUND_OUT_MS = 2_500
const WATCHED_MS = 5_000
/** One a second, and one on its way at each end. */
const CALLS_MAX = WATCHED_MS / 1_000 + 2
const TIMEOUT_MS = 90_000
const SETTLED_WITHIN_MS = 45_000

describeOnBackends("a scoring system that is down", (backend) => {
  let system: System
  let simulator: Child | undefined
  afterEach(async () => {
    simulator?.kill("SIGCONT")
    await system.close()
    await simulator?.stop()
    simulator = undefined
  })

  const uploadMany = async () => {
    const anna = await system.register()
    const numbers = newNumbers(ORDERS)
    await Promise.all(numbers.map((number) => anna.upload(number)))
    return numbers
  }
  const untilDown = () =>
    eventually("the fleet has found the outage", async () => {
      const { downSince } = await system.database.client.scoringPace.findFirstOrThrow()
      return downSince !== null
    })
  const expectUp = async () => {
    const { downSince } = await system.database.client.scoringPace.findFirstOrThrow()
    expect(downSince).toBeNull()
  }

  it(
    "is asked once a second by the whole fleet, and at full speed when it is back",
    async () => {
      system = await startSystem({ backend, workers: 3 })
      await system.simulator.behave({ autoRegister: true, unavailable: true })
      const numbers = await uploadMany()
      await untilDown()
      // What was on its way when the first worker found out.
      await sleep(FOUND_OUT_MS)
      const before = (await system.simulator.calls()).length
      await sleep(WATCHED_MS)
      const during = (await system.simulator.calls()).length - before
      expect(during).toBeGreaterThan(0)
      expect(during).toBeLessThanOrEqual(CALLS_MAX)
      await system.simulator.behave({ unavailable: false })
      await expectAllSettledOnce(system, numbers, SETTLED_WITHIN_MS)
      await expectUp()
    },
    TIMEOUT_MS,
  )

  it.each(["SIGKILL", "SIGSTOP"] as const)(
    "because of a %s is found out, and its orders are settled when it is back",
    async (signal) => {
      const address = `127.0.0.1:${await freePort()}`
      const env = { SIMULATOR_ADDRESS: address, SIMULATOR_AUTO_REGISTER: "true" }
      const start = () => startChild("simulator", env, "/dev/null")
      simulator = await start()
      system = await startSystem({
        backend,
        workers: 2,
        scoringUrl: `http://${address}`,
        env: { SCORING_TIMEOUT: "2s", WORKER_CONCURRENCY: "20" },
      })
      simulator.kill(signal)
      const numbers = await uploadMany()
      await untilDown()
      if (signal === "SIGKILL") simulator = await start()
      else simulator.kill("SIGCONT")
      await expectAllSettledOnce(system, numbers, SETTLED_WITHIN_MS)
      await expectUp()
    },
    TIMEOUT_MS,
  )
})
