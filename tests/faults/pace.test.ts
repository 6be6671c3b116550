import { expect, it } from "vitest"
import { describeOnBackends } from "../harness/backends.ts"
import { newNumbers } from "../harness/numbers.ts"
import { expectAllSettledOnce } from "../harness/invariants.ts"
import { startSystem, type System } from "../harness/system.ts"

/** What the simulator allows: named as 6,000 a minute, so that a test need not last one. */
const LIMIT = { requestsPerMinute: 500, windowMs: 5_000 }
const NAMED_PER_MINUTE = 6_000
const ORDERS = 700
const EPISODE_GAP_MS = 1_000
const SETTLED_WITHIN_MS = 60_000

describeOnBackends("a scoring system with a limit", (backend) => {
  let system: System

  const start = async () => {
    system = await startSystem({ backend, workers: 2, simulatorApart: true })
    await system.simulator.behave({ autoRegister: true, ...LIMIT })
  }
  const uploadMany = async (count: number) => {
    const customer = await system.register()
    const numbers = newNumbers(count)
    await Promise.all(numbers.map((number) => customer.upload(number)))
    return numbers
  }
  /** 429s, those within a second of each other as one. */
  const countEpisodes = async (fromMs = 0) => {
    const refused = (await system.simulator.calls()).filter(
      ({ status, at }) => status === 429 && at >= fromMs,
    )
    return refused.filter(({ at }, i) => at - (refused[i - 1]?.at ?? 0) > EPISODE_GAP_MS).length
  }
  const readPace = () => system.database.client.scoringPace.findFirstOrThrow()

  it("refuses once: then all workers together stay under it, those that start later as well", async () => {
    await start()
    await expectAllSettledOnce(system, await uploadMany(ORDERS), SETTLED_WITHIN_MS)
    expect(await countEpisodes()).toBe(1)
    expect(await readPace()).toMatchObject({
      limitPerMinute: NAMED_PER_MINUTE,
      isConfirmed: true,
      isClimbing: false,
    })

    await Promise.all(system.workers.map((worker) => worker.stop()))
    const restartedAt = Date.now()
    await Promise.all([system.addWorker(), system.addWorker(), system.addWorker()])
    await expectAllSettledOnce(system, await uploadMany(ORDERS), SETTLED_WITHIN_MS)
    expect(await countEpisodes(restartedAt)).toBe(0)
  })

  it("allows less: it is polled less from the first refusal on", async () => {
    await start()
    await expectAllSettledOnce(system, await uploadMany(ORDERS), SETTLED_WITHIN_MS)
    const changedAt = Date.now()
    await system.simulator.behave({ requestsPerMinute: 250 })
    await expectAllSettledOnce(system, await uploadMany(ORDERS), SETTLED_WITHIN_MS)
    expect(await countEpisodes(changedAt)).toBe(1)
    expect(await readPace()).toMatchObject({ limitPerMinute: NAMED_PER_MINUTE / 2 })
  })
})
