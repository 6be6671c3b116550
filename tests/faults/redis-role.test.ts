import { setTimeout as sleep } from "node:timers/promises"
import type { RedisServer } from "@gofermart/local-stack/redis.ts"
import { expect, it } from "vitest"
import { describeOnRedis } from "../harness/backends.ts"
import { eventually } from "../harness/eventually.ts"
import { type MovingAddress, openMovingAddress } from "../harness/moving-address.ts"
import { newNumber } from "../harness/numbers.ts"
import { expectAllSettledOnce } from "../harness/invariants.ts"
import { follow, startRedisPair } from "../harness/redis-pair.ts"
import { startSystem, type System } from "../harness/system.ts"
import { expectSettling, expectSound } from "./after-a-fault.ts"
import { Traffic } from "./traffic.ts"

/** Requeue's longest lease in these tests is 5 s, the backoff starts at 1 s; and 30 s. */
const SETTLED_WITHIN_MS = 36_000
/** Promised: orders uploaded after a switch are being settled again. */
const SETTLING_AGAIN_WITHIN_MS = 5_000
const LOAD_REST_MS = 20
const SWITCHES = 4
/** How long a proxy takes to notice, in the way in which it does so later than the servers. */
const NOTICED_AFTER_MS = 1_000
const NO_PRIMARY_MS = 30_000
/** A worker leaves a silent server after 15 s, and so does its second connection. */
const SILENCE_LEFT_WITHIN_MS = 25_000
const REFUSED_MS = 5_000
/** Of two workers and an API with nothing else to do; without a rest it is thousands. */
const COMMANDS_PER_SECOND_MAX = 200
/** Nobody listens there. */
const NOWHERE = ["127.0.0.1", 1] as const

const SERVICES = ["api", "accrual-worker"] as const

describeOnRedis("Redis changes its role", () => {
  let system: System
  let servers: [RedisServer, RedisServer]
  let address: MovingAddress

  async function start(): Promise<Traffic> {
    servers = await startRedisPair()
    const [primary] = servers
    address = await openMovingAddress(primary.url)
    const close = async () => {
      await address.close()
      await Promise.all(servers.map((server) => server.close()))
    }
    system = await startSystem({
      backend: "redis",
      workers: 2,
      redis: { ...primary, url: address.url, close },
    })
    await system.simulator.behave({ autoRegister: true })
    const customers = await Promise.all(Array.from({ length: 4 }, () => system.register()))
    const traffic = Traffic.begin(customers, LOAD_REST_MS)
    await expectSettling(system, SETTLING_AGAIN_WITHIN_MS)
    return traffic
  }

  /** How often each service has said, and counted, that it left a server which is no primary. */
  async function leavings(): Promise<{ logged: number[]; counted: number[] }> {
    const lines = (await system.logs()).split("\n").filter((line) => line.includes("READONLY"))
    const logged = SERVICES.map(
      (service) =>
        lines.filter((line) => line.includes(service) && line.includes("connecting to Redis anew"))
          .length,
    )
    return { logged, counted: await countReconnects("READONLY") }
  }

  /** How often each process has counted a connection that it gave up, for a reason. */
  function countReconnects(reason: "READONLY" | "silent"): Promise<number[]> {
    const line = new RegExp(
      `^gofermart_queue_reconnects_total\\{reason="${reason}"\\} (\\d+)$`,
      "m",
    )
    return Promise.all(
      [system.api, ...system.workers].map(async ({ details }) => {
        const response = await fetch(`${details["operatorsUrl"]}/metrics`)
        return Number(line.exec(await response.text())?.[1] ?? 0)
      }),
    )
  }

  const everyOneGrew = (before: number[], after: number[]) =>
    after.every((count, i) => count > (before[i] ?? 0))

  /** `switchRoles`: makes the second the primary, and has the address lead there. */
  async function switchOften(
    switchRoles: (from: RedisServer, to: RedisServer) => Promise<unknown>,
  ): Promise<void> {
    for (let i = 0; i < SWITCHES; i++) {
      const [from, to] = i % 2 === 0 ? servers : servers.toReversed()
      if (from === undefined || to === undefined) throw new Error("two servers")
      const before = await leavings()
      const switched = switchRoles(from, to)
      await expectSettling(system, SETTLING_AGAIN_WITHIN_MS)
      await switched
      await eventually("each process says and counts it", async () => {
        const after = await leavings()
        return (
          everyOneGrew(before.logged, after.logged) && everyOneGrew(before.counted, after.counted)
        )
      })
      await follow(from, to)
    }
  }

  async function expectNothingLost(traffic: Traffic): Promise<void> {
    await traffic.stop()
    expect([...traffic.answers.keys()].filter((answer) => /503|no answer/.test(answer))).toEqual([])
    await expectSound(system, traffic, SETTLED_WITHIN_MS)
  }

  it("41: the primary and its replica change places, sockets stay open: settling within 5 s", async () => {
    const traffic = await start()
    await switchOften(async (from, to) => {
      address.moveTo(to.url)
      await to.client.replicaof("NO", "ONE")
      await from.client.replicaof("127.0.0.1", new URL(to.url).port)
    })
    await expectNothingLost(traffic)
  })

  it("42: the address follows a second later: settling within 5 s", async () => {
    const traffic = await start()
    await switchOften(async (from, to) => {
      await from.client.replicaof("127.0.0.1", new URL(to.url).port)
      await to.client.replicaof("NO", "ONE")
      await sleep(NOTICED_AFTER_MS)
      address.moveTo(to.url)
    })
    await expectNothingLost(traffic)
  })

  it("43: no primary for 30 s: the processes say why, and settle within 5 s of its return", async () => {
    const traffic = await start()
    const [primary] = servers
    const before = await leavings()
    await primary.client.replicaof(...NOWHERE)
    await sleep(NO_PRIMARY_MS)
    const during = await leavings()
    expect(everyOneGrew(before.logged, during.logged)).toBe(true)
    // Three connections of a worker, each once a second at most; and it is not logged so often.
    const seconds = NO_PRIMARY_MS / 1_000
    for (const count of during.counted) expect(count).toBeLessThanOrEqual(3 * (seconds + 2))
    for (const lines of during.logged) expect(lines).toBeLessThanOrEqual(2 * 3 * 2)
    await primary.client.replicaof("NO", "ONE")
    await expectSettling(system, SETTLING_AGAIN_WITHIN_MS)
    for (const child of [system.api, ...system.workers]) {
      expect(await Promise.race([child.exited, Promise.resolve("running")])).toBe("running")
    }
    await expectNothingLost(traffic)
  })

  it("43: the primary hangs, sockets stay open, and the address follows: they leave it", async () => {
    const traffic = await start()
    const [primary, replica] = servers
    primary.freeze()
    await replica.client.replicaof("NO", "ONE")
    address.moveTo(replica.url)
    await expectSettling(system, SILENCE_LEFT_WITHIN_MS)
    await eventually("each process counts it", async () => {
      const counts = await countReconnects("silent")
      return counts.every((count) => count > 0)
    })
    primary.thaw()
    await expectNothingLost(traffic)
  })

  it("44: a primary that refuses writes: named, asked once a second, and never left", async () => {
    const traffic = await start()
    await traffic.stop()
    const [primary, replica] = servers
    // From now on it is the primary of none, and wants one replica.
    await replica.client.replicaof("NO", "ONE")
    await primary.client.config("SET", "min-replicas-to-write", "1")
    await eventually("it refuses", async () =>
      primary.client.set("any", 1).then(
        () => false,
        (error: Error) => error.message.startsWith("NOREPLICAS"),
      ),
    )
    const anna = await system.register()
    const number = newNumber()
    await anna.upload(number)
    const before = await commands(primary)
    await sleep(REFUSED_MS)
    const perSecond = ((await commands(primary)) - before) / (REFUSED_MS / 1_000)
    expect(perSecond).toBeLessThan(COMMANDS_PER_SECOND_MAX)
    expect(await system.logs()).toMatch(/"service":"accrual-worker".*NOREPLICAS/)
    expect(await system.logs()).not.toContain("connecting to Redis anew")
    await primary.client.config("SET", "min-replicas-to-write", "0")
    await expectAllSettledOnce(system, [number], SETTLED_WITHIN_MS)
    await expectNothingLost(traffic)
  })
})

/** That it was sent so far, refused ones as well. */
async function commands({ client }: RedisServer): Promise<number> {
  return Number(/total_commands_processed:(\d+)/.exec(await client.info("stats"))?.[1])
}
