import { expect, it } from "vitest"
import { describeOnBackends } from "../harness/backends.ts"
import { countFinal, expectOwnAccruals, uploadAndWaitForSome } from "../harness/load.ts"
import { expectAllSettledOnce } from "../harness/invariants.ts"
import { startSystem } from "../harness/system.ts"

const ORDERS = 1_000
/** A killed worker's jobs are taken over after its lock and a check, and the backoff follows. */
const RECOVERY_TIMEOUT_MS = 90_000

describeOnBackends("with orders in flight", (backend) => {
  it("a worker that is killed loses and repeats nothing", async () => {
    const system = await startSystem({ backend, workers: 1 })
    const numbers = await uploadAndWaitForSome(system, ORDERS)
    system.workers[0]?.kill("SIGKILL")
    expect(await countFinal(system)).toBeLessThan(ORDERS)
    await system.addWorker()
    await expectAllSettledOnce(system, numbers, RECOVERY_TIMEOUT_MS)
    await expectOwnAccruals(system, numbers)
    const takenOver = (await system.logs())
      .split("\n")
      .filter((line) => line.includes("a job was taken over"))
      .map((line) => JSON.parse(line) as object)
    expect(takenOver).toContainEqual(
      expect.objectContaining({
        order: expect.any(String),
        jobId: expect.stringMatching(/^order-/),
        requestId: expect.any(String),
      }),
    )
  })
})
