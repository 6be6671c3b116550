import { writeFile } from "node:fs/promises"
import { join } from "node:path"
import { builtPath } from "@gofermart/bundle/build.ts"
import { freePort } from "@gofermart/local-stack/ports.ts"
import { openAccrualQueue, openAccrualWorker } from "@gofermart/shared/queue/backend.ts"
import { addPolls } from "@gofermart/shared/queue/poll-job.ts"
import { ConfigError } from "@gofermart/shared/runtime/env.ts"
import { createLogger } from "@gofermart/shared/runtime/logger.ts"
import { withTimeout } from "@gofermart/shared/runtime/with-timeout.ts"
import { beforeAll, expect, inject, it } from "vitest"
import { describeOnRedis } from "../harness/backends.ts"
import { createDatabase } from "../harness/database.ts"
import { eventually } from "../harness/eventually.ts"
import { newNumber } from "../harness/numbers.ts"
import { type ClusterNode, startNode } from "../harness/redis-cluster.ts"
import { startOwnRedis } from "../harness/system.ts"
import {
  CERTIFICATE,
  LOCALHOST_CERTIFICATE,
  LOCALHOST_PRIVATE_KEY,
  PRIVATE_KEY,
} from "../settings/certificate.ts"
import { USABLE } from "../settings/entries.ts"
import { start } from "../settings/run.ts"

const SILENT = createLogger("tests", "silent")
const SECRET = "hunter22hunter22"
/** A queue that is not refused, and never reached, would wait for ever. */
const ADDED_WITHIN_MS = 10_000

/** A cluster of one, which has all slots. */
async function startSingle(...options: string[]): Promise<ClusterNode> {
  const node = await startNode(...options)
  await node.client.call("CLUSTER", "ADDSLOTSRANGE", 0, 16_383)
  await eventually("it is sound", async () =>
    (await node.client.cluster("INFO")).includes("cluster_state:ok"),
  )
  return node
}

async function open(url: string): Promise<void> {
  const queue = await openAccrualQueue(url, SILENT)
  await withTimeout(addPolls(queue, [newNumber()]), ADDED_WITHIN_MS, "it takes no jobs")
  await queue.close()
}

async function expectRefused(url: string, says: string): Promise<void> {
  const error: unknown = await open(url).catch((caught: unknown) => caught)
  expect(error).toBeInstanceOf(ConfigError)
  expect((error as Error).message).toContain(says)
  expect((error as Error).message).not.toContain(SECRET)
}

describeOnRedis("a cluster that a process cannot work with", () => {
  let node: ClusterNode
  beforeAll(async () => {
    node = await startSingle()
    const { client } = node
    const password = `>${SECRET}`
    await client.call("ACL", "SETUSER", "shop", "on", password, "~{shop}:*", "+@all")
    await client.call("ACL", "SETUSER", "adder", "on", password, "~{shop}:*", "+@all", "-bzpopmin")
  })

  it("is one, and the URL is of a single Redis: exit 78 with the form that would do", async () => {
    const says = "it is a cluster, whose connection string begins with redis+cluster://"
    await expectRefused(node.url, says)
    const database = await createDatabase()
    for (const program of [builtPath("api"), builtPath("worker")]) {
      const env = { ...USABLE, DATABASE_URL: database.url, QUEUE_URL: node.url }
      const { code, complained } = await start(program, env).ended
      expect({ code, complained }).toEqual({ code: 78, complained: expect.stringContaining(says) })
    }
  })

  it("is none", async () => {
    const { url } = await startOwnRedis()
    await expectRefused(url.replace("redis:", "redis+cluster:"), "it is no cluster")
  })

  it("refuses the password, or gives no rights to the keys; unless it does", async () => {
    const as = (user: string) => `redis+cluster://${user}@127.0.0.1:1,${node.address}?prefix=shop`
    await expectRefused(as(`shop:${SECRET}-no`), "a node refuses its user name or its password")
    await expectRefused(`${as(`shop:${SECRET}`)}-2`, "its user lacks rights")
    await open(as(`shop:${SECRET}`))
    await open(as(`adder:${SECRET}`))
    const worker = openAccrualWorker(as(`adder:${SECRET}`), SILENT, async () => {}, {})
    await expect(worker).rejects.toThrow("its user lacks rights")
  })

  it("says that it is where nobody finds it from here; unless it only has no name for itself", async () => {
    const urlOf = async (...options: string[]) =>
      `redis+cluster://${(await startSingle(...options)).address}`
    const at = ["--cluster-announce-ip", "127.0.0.1", "--cluster-announce-port"]
    const nowhere = await urlOf(...at, "1")
    await expectRefused(nowhere, "says that it is at 127.0.0.1:1, and is not found there from here")
    // There is another server, which would take the jobs.
    for (const { host, port } of [node.url, (await startOwnRedis()).url].map(
      (url) => new URL(url),
    )) {
      const elsewhere = await urlOf(...at, port)
      await expectRefused(elsewhere, `says that it is at ${host}, and is not found there`)
    }
    await open(await urlOf("--cluster-preferred-endpoint-type", "unknown-endpoint"))
  })

  it("has a certificate that is not trusted, or of another name; and one for the name in the URL only", async () => {
    const file = async (name: string, text: string) => {
      const path = join(inject("folder"), name)
      await writeFile(path, text)
      return path
    }
    const [ca, key, otherCa, otherKey] = await Promise.all([
      file("cluster.crt", LOCALHOST_CERTIFICATE),
      file("cluster.key", LOCALHOST_PRIVATE_KEY),
      file("other.crt", CERTIFICATE),
      file("other.key", PRIVATE_KEY),
    ])
    const startSecured = async (cert: string, itsKey: string) => {
      const port = await freePort()
      const files = ["--tls-cert-file", cert, "--tls-key-file", itsKey, "--tls-ca-cert-file", cert]
      const options = ["--tls-port", `${port}`, "--tls-cluster", "yes", "--tls-auth-clients", "no"]
      // The server's own port stays, for the test.
      await startSingle(...options, ...files, "--cluster-announce-ip", "127.0.0.1")
      return port
    }
    const port = await startSecured(ca, key)
    await open(`rediss+cluster://localhost:${port}?ca=${ca}`)
    await expectRefused(`rediss+cluster://127.0.0.1:${port}?ca=${ca}`, "is for another name")
    await expectRefused(`rediss+cluster://localhost:${port}?ca=${otherCa}`, "no authority that is")
    const otherPort = await startSecured(otherCa, otherKey)
    await expectRefused(`rediss+cluster://localhost:${otherPort}?ca=${otherCa}`, "another name")
  })
})
