import { openDatabase } from "@gofermart/shared/db/client.ts"
import { SERVICE_TIMEOUTS } from "@gofermart/shared/db/service-timeouts.ts"
import { migrate } from "@gofermart/shared/migrate/migrate.ts"
import { openAccrualQueue, openAccrualWorker } from "@gofermart/shared/queue/backend.ts"
import { addPolls } from "@gofermart/shared/queue/poll-job.ts"
import { createLogger } from "@gofermart/shared/runtime/logger.ts"
import { beforeAll, describe, expect, it } from "vitest"
import { describeOnBackends } from "../harness/backends.ts"
import { type Cut, cutOpenings } from "../harness/cut-openings.ts"
import { createDatabase, type TestDatabase } from "../harness/database.ts"
import { eventually } from "../harness/eventually.ts"
import { newNumber } from "../harness/numbers.ts"
import { expectAllSettledOnce } from "../harness/invariants.ts"
import { type Backend, startOwnRedis, startSystem, type System } from "../harness/system.ts"

/** Openings that are tried at once, each on a database or a Redis of its own. */
const LANES = 12
/** More messages than any opening has. */
const MESSAGES_MAX = 300
const SETTLED_WITHIN_MS = 36_000
/** A job that was taken on a connection which then broke is soon another's. */
const QUICK = {
  runRetryDelay: 500,
  lockDuration: 1_000,
  stalledInterval: 500,
  maxStalledCount: 1_000,
}
const SILENT = createLogger("tests", "silent")

/** What goes through the cut connection; rejects when it does not work in the end. */
type Use = (url: string, lane: number) => Promise<void>

/**
 * Cuts a connection after its first message, after its second, and so on, each time on a new opening,
 * until one is over before the cut. An `error` that nobody listens to fails the test run.
 *
 * `nth`: which of the connections that an opening makes. Resolves with how many openings were cut.
 */
async function cutAtEachMessage(
  serverUrls: string[],
  of: Cut["of"],
  nth: number,
  use: Use,
): Promise<number> {
  const lanes = serverUrls.map(async (serverUrl, lane) => {
    let openings = 0
    for (let after = lane + 1; after <= MESSAGES_MAX; after += serverUrls.length) {
      const cuts = [...Array.from({ length: nth - 1 }, () => undefined), { of, after }]
      const proxy = await cutOpenings(serverUrl, cuts)
      try {
        await use(proxy.url, lane).catch((cause: unknown) => {
          throw new Error(`cut after message ${after} of the ${of}`, { cause })
        })
        if (proxy.cutsMade() === 0) return openings
        openings += 1
      } finally {
        await proxy.close()
      }
    }
    throw new Error(`an opening of more than ${MESSAGES_MAX} messages`)
  })
  return (await Promise.all(lanes)).reduce((sum, openings) => sum + openings, 0)
}

const SIDES = ["server", "client"] as const

describe("the connection to the ledger's PostgreSQL, cut at each message of its opening", () => {
  let database: TestDatabase
  beforeAll(async () => {
    database = await createDatabase()
    return () => database.drop()
  })
  const lanes = () => Array.from({ length: LANES }, () => database.url)

  it.each(SIDES)("45: a service waits and goes on (%s)", async (of) => {
    const cut = await cutAtEachMessage(lanes(), of, 1, async (url) => {
      const client = openDatabase(url, "tests", { connectionsMax: 2, ...SERVICE_TIMEOUTS })
      await eventually("it answers", () =>
        client.$queryRaw`SELECT`.then(
          () => true,
          () => false,
        ),
      )
      await client.$disconnect()
    })
    expect(cut).toBeGreaterThan(of === "server" ? 20 : 4)
  })

  // The first connection asks whether the URL will do, the second is the schema engine's, and the
  // third is to the queue.
  it.each([
    ["server", 1, 20],
    ["client", 1, 3],
    ["server", 2, 20],
    ["client", 2, 4],
    ["server", 3, 20],
    ["client", 3, 4],
  ] as const)(
    "45: the migration fails, and can be run again (%s, connection %i)",
    async (of, nth, moreThan) => {
      const cut = await cutAtEachMessage(lanes().slice(0, 4), of, nth, async (url) => {
        await migrate(url).catch((error: unknown) => {
          expect(error).toBeInstanceOf(Error)
        })
      })
      expect(cut).toBeGreaterThan(moreThan)
      expect(await migrate(database.url)).toEqual([])
    },
  )
})

describeOnBackends("the connection to the queue, cut at each message of its opening", (backend) => {
  let urls: string[]
  beforeAll(async () => {
    if (backend === "redis") {
      const redis = await startOwnRedis()
      urls = Array.from({ length: LANES }, (_, lane) => `${redis.url}/${lane}`)
      return () => redis.close()
    }
    const databases = await Promise.all(Array.from({ length: LANES }, createDatabase))
    urls = databases.map(({ url }) => url)
    return () => Promise.all(databases.map((database) => database.drop()))
  })

  it.each(SIDES)("45: who adds jobs waits and goes on (%s)", async (of) => {
    const cut = await cutAtEachMessage(urls, of, 1, async (url) => {
      const queue = await openAccrualQueue(url, SILENT)
      await eventually("a job is added", () =>
        addPolls(queue, [newNumber()]).then(
          () => true,
          () => false,
        ),
      )
      await queue.close()
    })
    expect(cut).toBeGreaterThan(backend === "redis" ? 4 : 20)
  })

  // It has one connection for its commands, and one to hear of new jobs.
  it.each([
    ["server", 1],
    ["client", 1],
    ["server", 2],
    ["client", 2],
  ] as const)("45: a worker waits and goes on (%s, connection %i)", async (of, nth) => {
    const cut = await cutAtEachMessage(urls, of, nth, async (url, lane) => {
      const queue = await openAccrualQueue(urls[lane] ?? "", SILENT)
      const polled = new Set<string>()
      const poll = async ({ data }: { data: { number: string } }) => void polled.add(data.number)
      const worker = await openAccrualWorker(url, SILENT, poll, QUICK)
      // The second comes to a worker that waits to hear of one.
      for (const job of ["first", "second"]) {
        const number = newNumber()
        await addPolls(queue, [number])
        await eventually(`the ${job} job is begun`, async () => polled.has(number))
      }
      await worker.close()
      await queue.close()
    })
    expect(cut).toBeGreaterThan(4)
  })
})

/** Of the connections that a process opens one after the other, how the first ones break. */
const LEDGER_CUTS: Cut[] = [
  { of: "server", after: 1 },
  { of: "client", after: 2 },
  { of: "server", after: 4 },
  { of: "server", after: 20 },
  { of: "client", after: 4 },
]
const QUEUE_CUTS: Record<Backend, Cut[]> = {
  postgresql: [
    { of: "server", after: 1 },
    { of: "client", after: 3 },
    { of: "server", after: 20 },
    { of: "client", after: 6 },
    { of: "server", after: 40 },
  ],
  redis: [1, 2, 3, 4, 5].flatMap((after): Cut[] => [
    { of: "server", after },
    { of: "client", after },
  ]),
}

describeOnBackends("the processes, on connections that break while they are opened", (backend) => {
  let system: System

  it("45: each waits, says so, and goes on", async () => {
    const database = await createDatabase()
    const redis = backend === "redis" ? await startOwnRedis() : undefined
    const queueUrl = redis?.url ?? database.url
    const proxies = await Promise.all(
      ["api", "worker"].flatMap(() => [
        cutOpenings(database.url, LEDGER_CUTS),
        cutOpenings(queueUrl, QUEUE_CUTS[backend]),
      ]),
    )
    const [apiDatabase, apiQueue, workerDatabase, workerQueue] = proxies.map(({ url }) => url)
    const drop = async () => {
      await Promise.all(proxies.map((proxy) => proxy.close()))
      await database.drop()
    }
    system = await startSystem({
      backend,
      database: { ...database, drop },
      ...(redis === undefined ? {} : { redis }),
      apiEnv: { DATABASE_URL: apiDatabase ?? "", QUEUE_URL: apiQueue ?? "" },
      workerEnv: { DATABASE_URL: workerDatabase ?? "", QUEUE_URL: workerQueue ?? "" },
    })
    await system.simulator.behave({ autoRegister: true })
    const anna = await system.register()
    const number = newNumber()
    expect(await anna.upload(number)).toBe(202)
    await expectAllSettledOnce(system, [number], SETTLED_WITHIN_MS)

    expect(proxies.map((proxy) => proxy.cutsMade() > 0)).toEqual([true, true, true, true])
    const lines = (await system.logs()).split("\n")
    // Which connection to Redis is cut decides who notices.
    const saidOfQueue =
      backend === "redis"
        ? /connecting to Redis anew|the queue has an error/
        : /waiting for the queue's database/
    for (const service of ["api", "accrual-worker"]) {
      const own = lines.filter((line) => line.includes(`"service":"${service}"`))
      for (const said of [/"reason":"[^"]+".*waiting for the database/, saidOfQueue]) {
        expect(own.some((line) => said.test(line))).toBe(true)
      }
    }
    expect(lines.filter((line) => /waiting for.*not queryable/.test(line))).toEqual([])
    expect(lines.filter((line) => line !== "" && !line.startsWith("{"))).toEqual([])
  })
})
