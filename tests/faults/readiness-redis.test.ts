import { mkdtemp, rm } from "node:fs/promises"
import { connect } from "node:net"
import { networkInterfaces, tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import type { RedisServer } from "@gofermart/local-stack/redis.ts"
import { afterAll, beforeAll, expect, it } from "vitest"
import { describeOnRedis } from "../harness/backends.ts"
import { eventually } from "../harness/eventually.ts"
import { newNumber } from "../harness/numbers.ts"
import { startOwnRedis, startSystem, type System } from "../harness/system.ts"
import { ask, expectTold, type Fault } from "./readiness.ts"

/** Redis trusts connections from the loopback interface even in protected mode. */
const OUTER_ADDRESS = Object.values(networkInterfaces())
  .flat()
  .find((one) => one?.family === "IPv4" && !one.internal)?.address
const ADDRESS = OUTER_ADDRESS ?? "127.0.0.1"
const [USER, PASSWORD] = ["app", "first"]
const LISTENING =
  OUTER_ADDRESS === undefined
    ? []
    : ["--bind", "127.0.0.1", OUTER_ADDRESS, "--protected-mode", "no"]
const WITH_USER = [...LISTENING, "--user", USER, "on", `>${PASSWORD}`, "~*", "&*", "+@all"]
const KEYS_LOADED = 1_000
/** A minute's work, as a slow disk and large values make it, of which Redis tells how far it is. */
const SLOW_LOADING = [
  "--key-load-delay",
  "60000",
  "--loading-process-events-interval-bytes",
  "1024",
]
/** Long enough for every delay between two attempts to be at its longest. */
const WITHOUT_PRIMARY_MS = 30_000
const SILENT_MS = 15_000

describeOnRedis("Redis that cannot be written", () => {
  let folder: string
  let redis: RedisServer
  let system: System
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "gofermart-redis-"))
    redis = await startOwnRedis(folder)
    await redis.kill()
    await redis.start(...WITH_USER)
    const url = new URL(redis.url)
    url.hostname = ADDRESS
    url.username = USER
    url.password = PASSWORD
    const env = { QUEUE_URL: url.href, LIVENESS_TIMEOUT: "10s" }
    system = await startSystem({ backend: "redis", redis, env })
  })
  afterAll(async () => {
    await system.close()
    await rm(folder, { recursive: true })
  })

  const set = (name: string, value: string) => redis.client.config("SET", name, value)
  /** Ends every connection but those of the test. */
  const disconnectAll = () => redis.client.call("CLIENT", "KILL", "TYPE", "normal")
  const setUser = (...rules: string[]) => redis.client.acl("SETUSER", USER, ...rules)
  /** Faster than it has told. */
  const finishLoading = async () => {
    const client = redis.client.duplicate({ enableReadyCheck: false })
    await client.config("SET", "key-load-delay", "0")
    await eventually("Redis has loaded its data", async () =>
      /^loading:0/m.test(await client.info("persistence")),
    )
    client.disconnect()
  }
  const faults: Record<string, Fault> = {
    "is a replica, and there is no primary for 30 s": {
      reason: "replica",
      async break() {
        // A poll comes due that nobody can begin: that makes no worker stuck.
        await (await system.register()).upload(newNumber())
        await eventually("the order is put off", async () => {
          return (await redis.client.zcard("bull:accrual:delayed")) > 0
        })
        await redis.client.replicaof("127.0.0.1", "1")
      },
      heal: () => redis.client.replicaof("NO", "ONE"),
      lastsMs: WITHOUT_PRIMARY_MS,
    },
    "has no memory left": {
      reason: "memory_full",
      break: () => set("maxmemory", "1"),
      heal: () => set("maxmemory", "0"),
    },
    "has too few replicas": {
      reason: "replicas_missing",
      break: () => set("min-replicas-to-write", "1"),
      heal: () => set("min-replicas-to-write", "0"),
    },
    "is loading its data": {
      reason: "starting",
      async break() {
        const keys = Array.from({ length: KEYS_LOADED }, (_, i) => [`old:${i}`, "x".repeat(1_024)])
        await redis.client.mset(keys.flat())
        await set("rdbcompression", "no")
        await redis.client.save()
        await redis.kill()
        redis.start(...WITH_USER, ...SLOW_LOADING).catch(() => {})
      },
      heal: finishLoading,
    },
    "is silent": {
      reason: "no_answer",
      break: async () => redis.freeze(),
      heal: async () => redis.thaw(),
      // The connection is given up meanwhile, more than once.
      lastsMs: SILENT_MS,
    },
    "refuses connections": {
      reason: "unreachable",
      break: () => redis.kill(),
      heal: () => redis.start(...WITH_USER),
    },
    "has another password": {
      reason: "credentials_refused",
      async break() {
        await setUser("resetpass", ">second")
        await disconnectAll()
      },
      heal: () => setUser("resetpass", `>${PASSWORD}`),
    },
    "takes a right away": {
      reason: "rights_missing",
      break: () => setUser("-@write"),
      heal: () => setUser("+@all"),
    },
    "is in protected mode": {
      reason: "protected_mode",
      async break() {
        await set("protected-mode", "yes")
        await disconnectAll()
      },
      async heal() {
        // In its own words, where a connection that it broke off says nothing.
        expect(await system.logs()).toMatch(/"refusal":"DENIED Redis is running in protected mode/)
        await set("protected-mode", "no")
      },
    },
  }

  for (const [name, fault] of Object.entries(faults)) {
    const isPossible = fault.reason !== "protected_mode" || OUTER_ADDRESS !== undefined
    const why = isPossible ? "" : " (no interface but loopback)"
    it.skipIf(!isPossible)(`${name}: the queue is degraded, and it is said why${why}`, async () => {
      await expectTold(system, "queue", `Redis ${name}`, fault)
    })
  }

  it("is asked once a second by each process, whoever else asks that", async () => {
    const anna = await system.register()
    expect(await anna.upload(newNumber())).toBe(202)
    const monitor = await watchCommands(redis)
    const begun = performance.now()
    let requests = 0
    while (performance.now() - begun < 3_000) {
      await Promise.all(Array.from({ length: 20 }, () => ask(`${system.apiUrl}/readyz`)))
      requests += 20
      await sleep(10)
    }
    const seconds = (performance.now() - begun) / 1_000
    const writes = monitor.commands().filter((line) => line.includes('"set" "bull:ready"')).length
    monitor.end()
    expect(requests).toBeGreaterThan(100)
    // The API and a worker.
    expect(writes).toBeGreaterThan(2)
    expect(writes).toBeLessThanOrEqual(2 * (Math.floor(seconds) + 1))
  })
})

/**
 * Begins to record the commands that Redis gets. Not with ioredis: it takes lines that come together
 * with the answer to MONITOR for answers of its own, and throws.
 */
async function watchCommands({ url }: RedisServer) {
  const { hostname, port } = new URL(url)
  const socket = connect(Number(port), hostname)
  let received = ""
  socket.on("data", (data) => (received += data.toString()))
  socket.write("MONITOR\r\n")
  await eventually("Redis shows what it gets", async () => received.startsWith("+OK\r\n"))
  return { commands: () => received.split("\r\n"), end: () => socket.destroy() }
}
