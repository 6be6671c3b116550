import { describe, expect, it } from "vitest"
import { describeOnRedis } from "../harness/backends.ts"
import { startOwnDatabase } from "../harness/database.ts"
import { eventually } from "../harness/eventually.ts"
import { newNumber } from "../harness/numbers.ts"
import { startSystem } from "../harness/system.ts"

describeOnRedis("an operator while the queue is away", () => {
  it.each([
    ["killed", ".+"],
    // The page's own limit: after 5 s the queue's client would give up, and say something else.
    ["frozen", "not within 3 s"],
  ])("still sees an order's rows, in time: Redis %s", async (how, reason) => {
    const env = { FLEET_WATCH_INTERVAL: "100ms" }
    const system = await startSystem({ backend: "redis", workers: 0, env })
    const { redis } = system
    const anna = await system.register()
    const number = newNumber()
    await anna.upload(number)
    const read = async (path: string) => (await fetch(`${system.operatorsUrl}${path}`)).text()
    const hasQueueMetrics = async () => (await read("/metrics")).includes("gofermart_queue_jobs{")
    await eventually("the queue has metrics", hasQueueMetrics)
    if (how === "killed") await redis?.kill()
    else redis?.freeze()
    const told = await read(`/orders/${number}`)
    expect(told).toContain(`user         ${anna.login}`)
    expect(told).toMatch(/^status       PROCESSING, since 20/m)
    const line = new RegExp(
      `^job          not known: the queue does not answer \\(${reason}\\)$`,
      "m",
    )
    expect(told).toMatch(line)
    await eventually("the queue's metrics are absent", async () => !(await hasQueueMetrics()))

    if (how === "frozen") {
      redis?.thaw()
      await eventually("the page tells of the job", async () =>
        (await read(`/orders/${number}`)).includes(`job          order-${number}: waiting`),
      )
    }
  })
})

describe("an operator while the database is away", () => {
  it("is told so by an order's page, and has no metrics of it", async () => {
    const database = await startOwnDatabase()
    const env = { FLEET_WATCH_INTERVAL: "100ms" }
    const system = await startSystem({ backend: "postgresql", workers: 0, database, env })
    const hasMetrics = async () =>
      /^gofermart_orders_unfinished /m.test(
        await (await fetch(`${system.operatorsUrl}/metrics`)).text(),
      )
    await eventually("the database has metrics", hasMetrics)
    await database.server.stop("immediate")
    const page = await fetch(`${system.operatorsUrl}/orders/${newNumber()}`)
    expect(page.status).toBe(503)
    expect(await page.text()).toBe("The database does not answer.\n")
    await eventually("its metrics are absent", async () => !(await hasMetrics()))

    await database.server.start()
    await eventually("it has metrics again", hasMetrics)
  })
})
