import { writeFile } from "node:fs/promises"
import { join } from "node:path"
import { freePort } from "@gofermart/local-stack/ports.ts"
import { openAccrualQueue } from "@gofermart/shared/queue/backend.ts"
import { addPolls } from "@gofermart/shared/queue/poll-job.ts"
import { createLogger } from "@gofermart/shared/runtime/logger.ts"
import { expect, inject, it } from "vitest"
import { describeOnRedis } from "../harness/backends.ts"
import { expectAllSettledOnce } from "../harness/invariants.ts"
import { newNumber } from "../harness/numbers.ts"
import { LOOPBACK_CERTIFICATE, LOOPBACK_PRIVATE_KEY } from "../settings/certificate.ts"
import { startSentinels } from "../harness/sentinels.ts"
import { startOwnRedis, startSystem } from "../harness/system.ts"

describeOnRedis("two installations in one Redis", () => {
  it("with a prefix each settle the same order number by their own scoring systems", async () => {
    const redis = await startOwnRedis()
    const number = newNumber()
    const install = async (prefix: string, points: number) => {
      const system = await startSystem({
        backend: "redis",
        redis: { ...redis, close: async () => {} },
        env: { QUEUE_PREFIX: prefix },
      })
      await system.simulator.know(number, points)
      return { system, anna: await system.register() }
    }
    const [one, other] = await Promise.all([install("one", 1), install("other", 2)])
    const uploaded = [one, other].map(({ anna }) => anna.upload(number))
    expect(await Promise.all(uploaded)).toEqual([202, 202])
    await Promise.all([one, other].map(({ system }) => expectAllSettledOnce(system, [number])))
    const balances = [one, other].map(async ({ anna }) => (await anna.balance()).current)
    expect(await Promise.all(balances)).toEqual([1, 2])
    const keys = await redis.client.keys("*")
    expect(keys.filter((key) => !/^(one|other):/.test(key))).toEqual([])
  })
})

describeOnRedis("a Redis behind TLS", () => {
  it("takes jobs from whoever names its private authority, and from nobody else", async () => {
    const [cert, key] = ["redis.crt", "redis.key"].map((name) => join(inject("folder"), name)) as [
      string,
      string,
    ]
    await writeFile(cert, LOOPBACK_CERTIFICATE)
    await writeFile(key, LOOPBACK_PRIVATE_KEY)
    const redis = await startOwnRedis()
    const port = await freePort()
    await redis.kill()
    const files = ["--tls-cert-file", cert, "--tls-key-file", key, "--tls-auth-clients", "no"]
    await redis.start("--tls-port", `${port}`, "--tls-ca-cert-file", cert, ...files)
    const silent = createLogger("tests", "silent")
    const queue = await openAccrualQueue(`rediss://127.0.0.1:${port}?ca=${cert}`, silent)
    await addPolls(queue, [newNumber()])
    expect(await queue.getJobCountByTypes("waiting", "prioritized")).toBe(1)
    await queue.close()
    await expect(openAccrualQueue(`rediss://127.0.0.1:${port}`, silent)).rejects.toThrow(
      "no authority that is trusted here has signed",
    )
  })
})

describeOnRedis("Sentinels", () => {
  it("that refuse the password, or know no such primary, end the start; unless it is one of them", async () => {
    const { hosts } = await startSentinels("points", await startOwnRedis(), 0, "a-password")
    const silent = createLogger("tests", "silent")
    const open = async (name: string, password: string, among = hosts) => {
      const queue = await openAccrualQueue(
        `redis+sentinel://${among}/${name}?sentinel_password=${password}`,
        silent,
      )
      await queue.close()
    }
    await open("points", "a-password")
    await open("points", "a-password", `127.0.0.1:1,${hosts}`)
    await expect(open("points", "another")).rejects.toThrow("a Sentinel refuses its user name")
    const unknown = "the Sentinels know no primary of that name"
    await expect(open("other", "a-password")).rejects.toThrow(unknown)
    await expect(open("other", "a-password", `${hosts},127.0.0.1:1`)).rejects.toThrow(unknown)
  })
})
