import { afterAll, beforeAll, expect, it } from "vitest"
import { describeOnRedis } from "../harness/backends.ts"
import { eventually } from "../harness/eventually.ts"
import { newNumber } from "../harness/numbers.ts"
import { expectAllSettledOnce } from "../harness/invariants.ts"
import { startSystem, type System } from "../harness/system.ts"
import { type Samples, scrape } from "../harness/exposition.ts"

describeOnRedis("the metrics, while the queue is away", () => {
  let system: System
  beforeAll(async () => {
    system = await startSystem({ backend: "redis", env: { FLEET_WATCH_INTERVAL: "100ms" } })
    await system.simulator.behave({ autoRegister: true })
  })
  afterAll(() => system.close())

  const api = () => scrape(system.operatorsUrl)
  const worker = () => scrape(system.workers[0]?.details["operatorsUrl"] ?? "")
  const eventuallySeen = async (
    what: string,
    look: () => Promise<Samples>,
    is: (now: Samples) => boolean,
  ) => {
    await eventually(what, async () => is(await look()))
  }

  it("tell what it did not take; those of the database stay", async () => {
    const anna = await system.register()
    const notEnqueued = "gofermart_orders_not_enqueued_total"
    const failedRounds = "gofermart_requeue_rounds_failed_total"
    expect([(await api()).get(notEnqueued), (await worker()).get(failedRounds)]).toEqual([0, 0])
    await system.redis?.kill()
    const number = newNumber()
    expect(await anna.upload(number)).toBe(202)
    await eventuallySeen("a job is not taken", api, (now) => now.get(notEnqueued) === 1)
    await eventuallySeen("requeue fails", worker, (now) => (now.get(failedRounds) ?? 0) > 0)
    await eventuallySeen("the queue's metrics are gone", api, (now) => {
      const isGone = !now.has("gofermart_polls_due") && !now.has("gofermart_queue_paused")
      return isGone && now.get("gofermart_orders_unfinished") === 1
    })
    expect((await api()).get("gofermart_ledger_discrepancies")).toBe(0)
    await system.redis?.start()
    await expectAllSettledOnce(system, [number])
    await eventuallySeen("they are back", api, (now) => now.get("gofermart_polls_due") === 0)
  })
})
