import { expect, it } from "vitest"
import { describeOnRedis } from "../harness/backends.ts"
import { eventually } from "../harness/eventually.ts"
import { countFinal, expectOwnAccruals, uploadAndWaitForSome } from "../harness/load.ts"
import { newNumbers } from "../harness/numbers.ts"
import { expectAllSettledOnce } from "../harness/invariants.ts"
import { startSystem, type System } from "../harness/system.ts"

const ORDERS = 1_000

describeOnRedis("the loss of Redis", () => {
  let system: System

  it("with everything in it delays orders and loses none", async () => {
    system = await startSystem({ backend: "redis", workers: 2 })
    const numbers = await uploadAndWaitForSome(system, ORDERS)
    await system.redis?.flushAll()
    expect(await countFinal(system)).toBeLessThan(ORDERS)
    await expectAllSettledOnce(system, numbers)
    await expectOwnAccruals(system, numbers)
  })

  it("stops no upload; orders settle when it is back, empty", async () => {
    system = await startSystem({ backend: "redis", workers: 1 })
    await system.simulator.behave({ autoRegister: true })
    const anna = await system.register()
    await system.redis?.kill()
    const numbers = newNumbers(50)
    const statuses = await Promise.all(numbers.map((number) => anna.upload(number)))
    expect(new Set(statuses)).toEqual(new Set([202]))
    await eventually("the queue is said to be degraded", async () => {
      const ready = await fetch(`${system.apiUrl}/readyz`)
      expect(ready.status).toBe(200)
      return ((await ready.json()) as { queue: string }).queue === "degraded"
    })
    await system.redis?.start()
    await expectAllSettledOnce(system, numbers)
    await expectOwnAccruals(system, numbers)
  })
})
