import type { RedisServer } from "@gofermart/local-stack/redis.ts"
import { findPolicyFaults } from "@gofermart/shared/queue/redis-policy.ts"
import { Redis } from "ioredis"
import { expect, it } from "vitest"
import { atEndOrBefore } from "../harness/at-end.ts"
import { describeOnRedis } from "../harness/backends.ts"
import { eventually } from "../harness/eventually.ts"
import { startOwnRedis, startSystem } from "../harness/system.ts"

const EVICTING = ["--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru"]
/** A provider who lets nobody read the configuration. */
const WITHOUT_CONFIG = ["--rename-command", "CONFIG", ""]

function startWith(...options: string[]): Promise<RedisServer> {
  return startOwnRedis(undefined, options)
}

async function faultsOf(url: string): Promise<string[]> {
  const redis = new Redis(url)
  atEndOrBefore(() => Promise.resolve(redis.disconnect()))
  return (await findPolicyFaults(redis)).map(({ kind }) => kind)
}

describeOnRedis("how Redis is set up", () => {
  it("is told: eviction, and no persistence; whatever it lets be known", async () => {
    const bad = await startWith(...EVICTING)
    expect(await faultsOf(bad.url)).toEqual(["evicts", "keeps nothing"])
    await bad.client.config("SET", "save", "3600 1")
    expect(await faultsOf(bad.url)).toEqual(["evicts"])
    await bad.client.config("SET", "maxmemory-policy", "noeviction")
    expect(await faultsOf(bad.url)).toEqual([])
    await bad.client.config("SET", "maxmemory-policy", "volatile-ttl", "save", "")
    await bad.client.call("ACL", "SETUSER", "shop", "on", "nopass", "~*", "+@all", "-config")
    expect(await faultsOf(bad.url.replace("//", "//shop:any@"))).toEqual(["evicts"])
    const managed = await startWith(...EVICTING, ...WITHOUT_CONFIG)
    expect(await faultsOf(managed.url)).toEqual(["evicts"])
  })

  it("is said once by each service, with the command, and by BullMQ not at all", async () => {
    const redis = await startWith(...EVICTING, "--appendonly", "no")
    await redis.client.call("ACL", "SETUSER", "shop", "on", "nopass", "~bull:*", "+@all", "-config")
    const url = redis.url.replace("//", "//shop:any@")
    const system = await startSystem({ backend: "redis", redis: { ...redis, url } })
    const warnings = async () =>
      (await system.logs()).split("\n").filter((line) => line.includes("Redis is set up badly"))
    await eventually("both have said so", async () => (await warnings()).length === 2)
    await redis.kill()
    await redis.start()
    await eventually("the API is back", async () => {
      const response = await fetch(`${system.apiUrl}/readyz`)
      return ((await response.json()) as { queue: string }).queue === "ok"
    })
    for (const line of await warnings()) {
      expect(JSON.parse(line)).toMatchObject({
        level: 40,
        mend: expect.stringContaining("CONFIG SET maxmemory-policy noeviction"),
      })
    }
    expect(await warnings()).toHaveLength(2)
    expect(await system.logs()).not.toContain("Eviction policy is")
  })
})
