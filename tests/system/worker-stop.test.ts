import { expect, it } from "vitest"
import { describeOnBackends } from "../harness/backends.ts"
import { expectOwnAccruals, uploadAndWaitForSome } from "../harness/load.ts"
import { expectAllSettledOnce } from "../harness/invariants.ts"
import { startSystem } from "../harness/system.ts"

const ORDERS = 1_000

describeOnBackends("with orders in flight", (backend) => {
  it("a worker that is told to stop finishes what it has begun and exits with 0", async () => {
    const system = await startSystem({ backend, workers: 1 })
    const numbers = await uploadAndWaitForSome(system, ORDERS)
    expect(await system.workers[0]?.stop()).toBe(0)
    await system.addWorker()
    await expectAllSettledOnce(system, numbers)
    await expectOwnAccruals(system, numbers)
  })
})
