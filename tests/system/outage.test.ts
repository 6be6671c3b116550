import { expect, it, onTestFinished } from "vitest"
import { describeOnBackends } from "../harness/backends.ts"
import { expectAllSettledOnce } from "../harness/invariants.ts"
import { downSince, startOnSimulator, untilDown, uploadMany } from "../harness/outage.ts"

const ORDERS = 200
/** Half of what they take at one a second, which is the pace of an outage. */
const SETTLED_WITHIN_MS = 100_000
const TIMEOUT_MS = 180_000

describeOnBackends("a scoring system that is killed", (backend) => {
  it(
    "is found out, and its orders are settled when it is back",
    async () => {
      const { system, simulator: killed, startSimulator } = await startOnSimulator(backend)
      killed.kill("SIGKILL")
      const numbers = await uploadMany(system, ORDERS)
      await untilDown(system)
      const simulator = await startSimulator()
      onTestFinished(async () => void (await simulator.stop()))
      await expectAllSettledOnce(system, numbers, SETTLED_WITHIN_MS)
      expect(await downSince(system)).toBeUndefined()
    },
    TIMEOUT_MS,
  )
})
