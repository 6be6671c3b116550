import type { RedisServer } from "@gofermart/local-stack/redis.ts"
import { expect, it } from "vitest"
import { describeOnRedis } from "../harness/backends.ts"
import { eventually } from "../harness/eventually.ts"
import { type Sentinels, startSentinels } from "../harness/sentinels.ts"
import { startRedisPair, untilInStep } from "../harness/redis-pair.ts"
import { startSystem, type System } from "../harness/system.ts"
import { expectSettling, expectSound } from "./after-a-fault.ts"
import { Traffic } from "./traffic.ts"

/** Requeue's longest lease in these tests is 5 s, the backoff starts at 1 s; and 30 s. */
const SETTLED_WITHIN_MS = 36_000
/** Promised: orders uploaded after a failover are being settled again. */
const SETTLING_AGAIN_WITHIN_MS = 15_000
const LOAD_REST_MS = 20
const FAILOVERS = 3
const PRIMARY = "points"
const PASSWORD = "of-the-sentinels"

describeOnRedis("a primary that Sentinels watch", () => {
  let system: System
  let servers: [primary: RedisServer, replica: RedisServer]
  let sentinels: Sentinels

  async function start(): Promise<Traffic> {
    servers = await startRedisPair()
    const [primary, replica] = servers
    sentinels = await startSentinels(PRIMARY, primary, 1, PASSWORD)
    // The first of them is away.
    const url = `redis+sentinel://127.0.0.1:1,${sentinels.hosts}/${PRIMARY}?sentinel_password=${PASSWORD}&prefix=shop`
    const close = async () => {
      await Promise.all(servers.map((server) => server.close()))
    }
    system = await startSystem({
      backend: "redis",
      workers: 2,
      redis: { ...primary, url, close },
    })
    await system.simulator.behave({ autoRegister: true })
    const customers = await Promise.all(Array.from({ length: 4 }, () => system.register()))
    const traffic = Traffic.begin(customers, LOAD_REST_MS)
    await expectSettling(system, SETTLING_AGAIN_WITHIN_MS)
    expect(await replica.client.keys("bull:*")).toEqual([])
    return traffic
  }

  async function expectFailedOver(): Promise<void> {
    await expectSettling(system, SETTLING_AGAIN_WITHIN_MS)
    await eventually("the API knows it", async () => {
      const response = await fetch(`${system.apiUrl}/readyz`)
      return ((await response.json()) as { queue: string }).queue === "ok"
    })
  }

  async function expectNothingLost(traffic: Traffic): Promise<void> {
    await traffic.stop()
    expect(await system.logs()).not.toContain("Unhandled error event")
    await expectSound(system, traffic, SETTLED_WITHIN_MS)
  }

  it("55: is killed under load, again and again: settling within 15 s", async () => {
    const traffic = await start()
    for (let i = 0; i < FAILOVERS; i++) {
      const port = await sentinels.primaryPort()
      const [first, second] = servers
      const [killed, other] = port === portOf(first) ? [first, second] : [second, first]
      await killed.kill()
      await expectFailedOver()
      expect(await sentinels.primaryPort()).toBe(portOf(other))
      await killed.start()
      await untilInStep(killed)
    }
    await expectNothingLost(traffic)
  })

  it("55: is killed while a Sentinel hangs: settling within 15 s", async () => {
    const traffic = await start()
    sentinels.freezeOne()
    await servers[0].kill()
    await expectFailedOver()
    await expectNothingLost(traffic)
  })

  it("55: hangs, its sockets open: settling within 15 s, also when it comes back", async () => {
    const traffic = await start()
    servers[0].freeze()
    await expectFailedOver()
    servers[0].thaw()
    await expectFailedOver()
    await expectNothingLost(traffic)
  })
})

function portOf(server: RedisServer): string {
  return new URL(server.url).port
}
