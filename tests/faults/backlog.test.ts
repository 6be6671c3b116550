import { setTimeout as sleep } from "node:timers/promises"
import { recordOrders } from "@gofermart/shared/ledger/record-orders.ts"
import { type AccrualQueue, addPolls } from "@gofermart/shared/queue/poll-job.ts"
import { afterEach, expect, it } from "vitest"
import { describeOnBackends } from "../harness/backends.ts"
import { eventually } from "../harness/eventually.ts"
import { countFinal } from "../harness/load.ts"
import { createUser } from "../harness/ledger.ts"
import { newNumber, newNumbers } from "../harness/numbers.ts"
import { peakMemoryBytes } from "../harness/peak-memory.ts"
import { expectAllSettledOnce, expectExplained } from "../harness/invariants.ts"
import { startSystem, type System } from "../harness/system.ts"
import { expectQueueEmpty, openQueue } from "../harness/database-breakpoints.ts"

const BACKLOG = 100_000
const ORDERS_PER_CALL = 5_000
const UPLOAD_EVERY_MS = 20
/** The queue in PostgreSQL is for one machine, and slower: working all of it off takes minutes. */
const WORKED_OFF = { redis: BACKLOG, postgresql: BACKLOG / 5 }
const WORKED_OFF_WITHIN_MS = 300_000
const SETTLED_WITHIN_MS = 60_000
const SETTINGS = {
  REQUEUE_LEASE_MIN: "60s",
  REQUEUE_LEASE_MAX: "10m",
  // What V8 takes when nobody limits it says nothing of what is needed. Who needs more ends here.
  NODE_OPTIONS: "--max-old-space-size=192",
}
/** Up to 300 MB were seen. */
const RESIDENT_BYTES_MAX = 400 * 2 ** 20

describeOnBackends("A backlog", (backend) => {
  let system: System
  let queue: AccrualQueue
  afterEach(async () => {
    await queue.close()
    await system.close()
  })

  it("40: 100,000 orders, workers started late: uploads go on, memory is bounded", async () => {
    system = await startSystem({ backend, workers: 0, env: SETTINGS })
    queue = await openQueue(system)
    await system.simulator.behave({ autoRegister: true })
    const { client } = system.database
    for (let made = 0; made < BACKLOG; made += ORDERS_PER_CALL) {
      const userId = await createUser(client)
      const numbers = newNumbers(ORDERS_PER_CALL)
      await recordOrders(
        client,
        numbers.map((number) => ({ userId, number })),
        60_000,
      )
      await addPolls(queue, numbers)
    }
    await client.$executeRaw`ANALYZE`
    expect(await queue.getJobCountByTypes("waiting")).toBe(BACKLOG)

    const anna = await system.register()
    const uploaded: string[] = []
    const over = new AbortController()
    const uploading = (async () => {
      while (!over.signal.aborted) {
        const number = newNumber()
        expect(await anna.upload(number)).toBe(202)
        uploaded.push(number)
        await sleep(UPLOAD_EVERY_MS)
      }
    })()
    await sleep(1_000)
    await Promise.all([system.addWorker(), system.addWorker()])
    const isWorkedOff = async () => {
      await sleep(500)
      return (await countFinal(system)) >= WORKED_OFF[backend]
    }
    // A refused upload ends the wait.
    await Promise.race([
      eventually("it is worked off", isWorkedOff, WORKED_OFF_WITHIN_MS),
      uploading,
    ])
    over.abort()
    await uploading
    for (const { pid } of [system.api, ...system.workers]) {
      expect(await peakMemoryBytes(pid)).toBeLessThan(RESIDENT_BYTES_MAX)
    }
    await expectExplained(system)
    if (WORKED_OFF[backend] < BACKLOG) return
    await expectAllSettledOnce(system, uploaded, SETTLED_WITHIN_MS)
    expect(await client.accrual.count({ where: { status: "PROCESSING" } })).toBe(0)
    await expectQueueEmpty(queue)
  })
})
