import { expect, it } from "vitest"
import { sql } from "@gofermart/shared/db/client.ts"
import { describeOnBackends } from "../harness/backends.ts"
import { eventually } from "../harness/eventually.ts"
import { readInstant } from "../harness/instants.ts"
import { newNumber } from "../harness/numbers.ts"
import { expectAllSettledOnce } from "../harness/invariants.ts"
import { untilRequeued } from "../harness/requeued.ts"
import { startSystem } from "../harness/system.ts"

const PAUSE_MAX_MS = 600_000

describeOnBackends("the row of the fleet's pause", (backend) => {
  it("is ten minutes long at most, and ends the pause when an operator ends it", async () => {
    const system = await startSystem({ backend, workers: 1, env: { REQUEUE_LEASE_MIN: "500ms" } })
    await system.simulator.behave({ autoRegister: true })
    const { client } = system.database
    // As a pause of seconds looks when the database's clock was set back by an hour.
    await client.$executeRaw`
      INSERT INTO scoring_pause (paused_until) VALUES (clock_timestamp() + interval '1 hour')
          ON CONFLICT (id) DO UPDATE SET paused_until = excluded.paused_until`
    const leftMs = async () => {
      const untilUs = await readInstant(client, sql`(SELECT paused_until FROM scoring_pause)`)
      return (untilUs ?? 0) / 1_000 - Date.now()
    }
    await eventually("it is shorter", async () => (await leftMs()) <= PAUSE_MAX_MS)
    // The first worker has seen it; a worker that starts looks first.
    await system.addWorker()
    const anna = await system.register()
    const number = newNumber()
    await anna.upload(number)
    await untilRequeued(system, number)
    expect(await system.simulator.calls()).toEqual([])
    await client.$executeRaw`UPDATE scoring_pause SET paused_until = clock_timestamp()`
    await expectAllSettledOnce(system, [number])
  })
})
