import { REASONS } from "@gofermart/shared/readiness/reasons.ts"
import { describe, expect, it } from "vitest"
import { expectSettling, expectSound } from "../faults/after-a-fault.ts"
import { ask } from "../faults/readiness.ts"
import { Traffic } from "../faults/traffic.ts"
import { eventually } from "../harness/eventually.ts"
import { demote, promote, startPostgresPair } from "../harness/postgres-pair.ts"
import { startSystem, type System } from "../harness/system.ts"

/** Requeue's longest lease in these tests is 5 s, the backoff starts at 1 s; and 30 s. */
const SETTLED_WITHIN_MS = 36_000
/** Promised: orders uploaded after a standby was promoted are being settled again. */
const SETTLING_AGAIN_WITHIN_MS = 30_000
const UPLOADS_BEFORE = 300

async function startUnderLoad() {
  const pair = await startPostgresPair()
  const { database } = pair
  const system = await startSystem({ backend: "postgresql", workers: 2, database })
  const traffic = await Traffic.start(system)
  await eventually("there is load", async () => traffic.uploads.size > UPLOADS_BEFORE)
  return { ...pair, system, traffic }
}

/** Waits until it is said that the database takes no writes, and why. */
async function untilNotReady(system: System, reason: string): Promise<void> {
  await eventually(`not ready: ${reason}`, async () => {
    const [status, body] = await ask(`${system.apiUrl}/readyz`)
    return status === 503 && body["database_reason"] === reason
  })
}

async function expectFoundAgain(system: System): Promise<void> {
  const begun = performance.now()
  await expectSettling(system, SETTLING_AGAIN_WITHIN_MS)
  const tookMs = performance.now() - begun
  await eventually("it is ready", async () => (await ask(`${system.apiUrl}/readyz`))[0] === 200)
  process.stdout.write(`settling again after ${(tookMs / 1_000).toFixed(1)} s\n`)
}

async function expectNothingLost(system: System, traffic: Traffic): Promise<void> {
  await traffic.stop()
  process.stdout.write(`${traffic.uploads.size} uploads acknowledged\n`)
  expect(await system.logs()).not.toMatch(/Unhandled|"level":60/)
  await expectSound(system, traffic, SETTLED_WITHIN_MS)
}

describe("a primary with a synchronous standby, both in the URL, under load", () => {
  it("57: is killed, and the standby promoted: nothing acknowledged is lost, settling within 30 s", async () => {
    const { servers, system, traffic } = await startUnderLoad()
    const [primary, standby] = servers
    await primary.stop("immediate")
    await untilNotReady(system, REASONS.replica)
    await promote(standby)
    await expectFoundAgain(system)
    await expectNothingLost(system, traffic)
  })

  it("57: becomes the standby in good order and back: not ready meanwhile, then the new primary is found", async () => {
    const { servers, system, traffic } = await startUnderLoad()
    const [primary, standby] = servers
    for (const [from, to] of [
      [primary, standby],
      [standby, primary],
    ] as const) {
      await demote(from, to)
      await untilNotReady(system, REASONS.replica)
      await promote(to)
      await expectFoundAgain(system)
    }
    await expectNothingLost(system, traffic)
  })
})
