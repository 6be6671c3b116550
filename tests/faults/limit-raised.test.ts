import { sql } from "@gofermart/shared/db/client.ts"
import { expect, it } from "vitest"
import { describeOnBackends } from "../harness/backends.ts"
import { eventually } from "../harness/eventually.ts"
import { readInstant } from "../harness/instants.ts"
import { newNumbers } from "../harness/numbers.ts"
import { expectAllSettledOnce } from "../harness/invariants.ts"
import { startSystem, type System } from "../harness/system.ts"
import { openQueue } from "../harness/database-breakpoints.ts"

/** What the simulator allows: as 6,000 a minute, so that a test need not last one. */
const LIMIT = { requestsPerMinute: 500, windowMs: 5_000 }
/** A tenth of it: what a probe of that asks for, a busy machine manages too. */
const LOW_PER_MINUTE = 600
const PROBE_AFTER_MS = 40_000
/** In those 40 s, at the pace of the low limit; and more than its probes ask for. */
const ASKED_BEFORE = 380
const PROBED = 1_500
/** Where a busy machine falls short of the first probe, the next, a minute later, is twice as high. */
const RAISED_WITHIN_MS = 200_000

describeOnBackends("a scoring system with a limit", (backend) => {
  let system: System

  const start = async (behaviour: Record<string, number>) => {
    system = await startSystem({ backend, workers: 2 })
    await system.simulator.behave({ autoRegister: true, ...behaviour })
  }
  const upload = async (count: number) => {
    const customer = await system.register()
    const numbers = newNumbers(count)
    await Promise.all(numbers.map((number) => customer.upload(number)))
    return numbers
  }
  const readPace = () => system.database.client.scoringPace.findFirstOrThrow()

  it("has raised it: a probe at the end of a minute finds that out", async () => {
    await start(LIMIT)
    await Promise.all(system.workers.map((worker) => worker.stop()))
    await upload(PROBED)
    // A minute of which the probe is left, with what was polled in it.
    await system.database.client.scoringPace.updateMany({
      data: {
        limitPerMinute: LOW_PER_MINUTE,
        isConfirmed: true,
        windowsHeld: 1,
        calls: ASKED_BEFORE,
      },
    })
    await system.database.client.$executeRaw`
        UPDATE scoring_pace SET window_began_at =
               clock_timestamp() - ${PROBE_AFTER_MS}::int * interval '1 millisecond'`
    await Promise.all([system.addWorker(), system.addWorker()])
    await eventually("it is raised", async () => (await readPace()).isClimbing, RAISED_WITHIN_MS)
    const calls = await system.simulator.calls()
    expect(calls.filter(({ status }) => status === 429)).toEqual([])
  })

  it("has none, as far as anybody knows: nothing is paced", async () => {
    await start({})
    await expectAllSettledOnce(system, await upload(100))
    // Both workers have looked after the pace since then.
    await eventually("its calls are counted", async () => (await readPace()).calls > 0)
    expect(await readPace()).toMatchObject({ limitPerMinute: null })
    expect(
      await readInstant(system.database.client, sql`(SELECT down_since FROM scoring_pace)`),
    ).toBeUndefined()
    const queue = await openQueue(system)
    expect(await queue.getGlobalRateLimit()).toBeNull()
    await queue.close()
  })
})
