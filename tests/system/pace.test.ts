import { afterEach, expect, it } from "vitest"
import { openAccrualQueue } from "@gofermart/shared/queue/backend.ts"
import { createLogger } from "@gofermart/shared/runtime/logger.ts"
import { describeOnBackends } from "../harness/backends.ts"
import { eventually } from "../harness/eventually.ts"
import { newNumbers } from "../harness/numbers.ts"
import { expectAllSettledOnce } from "../harness/oracle.ts"
import { startSystem, type System } from "../harness/system.ts"

/** What the simulator allows: named as 6,000 a minute, so that a test need not last one. */
const LIMIT = { requestsPerMinute: 500, windowMs: 5_000 }
const NAMED_PER_MINUTE = 6_000
const ORDERS = 700
const PROBE_AFTER_MS = 40_000
/** In those 40 s, at the pace of half the limit; and more than 20 s of a probe ask for. */
const ASKED_BEFORE = 1_900
const PROBED = 2_000
const EPISODE_GAP_MS = 1_000
const TIMEOUT_MS = 120_000
const SETTLED_WITHIN_MS = 60_000

describeOnBackends("a scoring system with a limit", (backend) => {
  let system: System
  afterEach(() => system.close())

  const start = async (behaviour: Record<string, number | boolean>) => {
    system = await startSystem({ backend, workers: 2 })
    await system.simulator.behave({ autoRegister: true, ...behaviour })
    return system.register()
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

  it(
    "refuses once: then all workers together stay under it, those that start later as well",
    async () => {
      await start(LIMIT)
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
    },
    TIMEOUT_MS,
  )

  it(
    "allows less: it is asked less from the first refusal on",
    async () => {
      await start(LIMIT)
      await expectAllSettledOnce(system, await uploadMany(ORDERS), SETTLED_WITHIN_MS)
      const changedAt = Date.now()
      await system.simulator.behave({ requestsPerMinute: 250 })
      await expectAllSettledOnce(system, await uploadMany(ORDERS), SETTLED_WITHIN_MS)
      expect(await countEpisodes(changedAt)).toBe(1)
      expect(await readPace()).toMatchObject({ limitPerMinute: NAMED_PER_MINUTE / 2 })
    },
    TIMEOUT_MS,
  )

  it(
    "has raised it: a probe at the end of a minute finds that out",
    async () => {
      await start(LIMIT)
      await Promise.all(system.workers.map((worker) => worker.stop()))
      // A minute of which the probe is left, with what was asked in it.
      await system.database.client.scoringPace.updateMany({
        data: {
          limitPerMinute: NAMED_PER_MINUTE / 2,
          isConfirmed: true,
          windowBeganAt: new Date(Date.now() - PROBE_AFTER_MS),
          windowsHeld: 1,
          calls: ASKED_BEFORE,
        },
      })
      await Promise.all([system.addWorker(), system.addWorker()])
      await uploadMany(PROBED)
      await eventually(
        "it is raised",
        async () => {
          return ((await readPace()).limitPerMinute ?? 0) > NAMED_PER_MINUTE / 2
        },
        SETTLED_WITHIN_MS,
      )
      expect(await countEpisodes()).toBe(0)
    },
    TIMEOUT_MS,
  )

  it("has none, as far as anybody knows: nothing is paced", async () => {
    await start({})
    await expectAllSettledOnce(system, await uploadMany(100))
    // Both workers have looked after the pace since then.
    await eventually("its calls are counted", async () => (await readPace()).calls > 0)
    expect(await readPace()).toMatchObject({ limitPerMinute: null, downSince: null })
    const queue = await openAccrualQueue(system.queueUrl, createLogger("tests", "silent"))
    expect(await queue.getGlobalRateLimit()).toBeNull()
    await queue.close()
  })
})
