import { setTimeout as sleep } from "node:timers/promises"
import type { Customer } from "@gofermart/local-stack/customer.ts"
import { afterAll, beforeAll, expect, it } from "vitest"
import { describeOnBackends } from "../harness/backends.ts"
import { newNumber } from "../harness/numbers.ts"
import { startSystem, type System } from "../harness/system.ts"

describeOnBackends("waiting for the result", (backend) => {
  let system: System
  let anna: Customer
  beforeAll(async () => {
    system = await startSystem({ backend })
    anna = await system.register()
  })
  afterAll(() => system.close())

  const upload = (number: string, prefer: string) =>
    fetch(`${system.apiUrl}/api/user/orders`, {
      method: "POST",
      headers: { authorization: anna.authorization, "content-type": "text/plain", prefer },
      body: number,
    })
  const get = (number: string, prefer: string) =>
    fetch(`${system.apiUrl}/api/user/orders/${number}`, {
      headers: { authorization: anna.authorization, prefer },
    })

  it("gives the final order in the upload's own answer", async () => {
    const number = newNumber()
    await system.simulator.know(number, 729.98)
    const response = await upload(number, "wait=10")
    expect(response.status).toBe(202)
    expect(response.headers.get("preference-applied")).toBe("wait=10")
    expect(await response.json()).toEqual({
      number,
      status: "PROCESSED",
      accrual: 729.98,
      uploaded_at: expect.any(String),
    })
    const again = await upload(number, "respond-async, wait=10")
    expect([again.status, await again.json()]).toMatchObject([200, { status: "PROCESSED" }])
  })

  it("answers after the time with what is known, and 202 stays 202", async () => {
    const number = newNumber()
    const start = performance.now()
    const response = await upload(number, "wait=1")
    expect(performance.now() - start).toBeGreaterThan(950)
    expect([response.status, await response.json()]).toMatchObject([202, { status: "PROCESSING" }])
    const now = await get(number, "wait=0")
    expect(now.headers.get("preference-applied")).toBe("wait=0")
    expect(await now.json()).toMatchObject({ status: "PROCESSING" })
  })

  it("tells whoever asks about an order as soon as it is final", async () => {
    const number = newNumber()
    await anna.upload(number)
    const waiting = [get(number, "wait=30"), get(number, 'handling=lenient, wait="30"')]
    await system.simulator.know(number, 5)
    for (const response of await Promise.all(waiting)) {
      expect(response.headers.get("preference-applied")).toBe("wait=30")
      expect(await response.json()).toMatchObject({ status: "PROCESSED", accrual: 5 })
    }
  })

  it.each(["", "wait", "wait=", "wait=-1", "wait=soon", "respond-async"])(
    "does not wait for a preference like %j",
    async (prefer) => {
      const response = await upload(newNumber(), prefer)
      expect([response.status, await response.text()]).toEqual([202, ""])
      expect(response.headers.get("preference-applied")).toBeNull()
    },
  )

  it("waits no longer than a minute, and says so", async () => {
    const number = newNumber()
    await system.simulator.know(number, 1)
    const response = await upload(number, "wait=3600")
    expect(response.headers.get("preference-applied")).toBe("wait=60")
  })

  it("lets one user wait a hundred times at once, and others all the same", async () => {
    const number = newNumber()
    await anna.upload(number)
    const waiting = Array.from({ length: 100 }, () => get(number, "wait=4"))
    await sleep(1_000)
    const refused = await get(number, "wait=30")
    expect(refused.headers.get("preference-applied")).toBeNull()
    const boris = await system.register()
    const known = newNumber()
    await system.simulator.know(known, 1)
    expect(await boris.uploadAndWait(known, 10)).toMatchObject({ status: "PROCESSED" })
    for (const response of await Promise.all(waiting)) {
      expect(response.headers.get("preference-applied")).toBe("wait=4")
    }
  })

  it("ends every wait at a shutdown, with what is known", async () => {
    const number = newNumber()
    const waiting = upload(number, "wait=60")
    // It is recorded before it is waited for.
    while ((await system.database.client.order.count({ where: { number } })) === 0);
    await system.api.stop()
    const response = await waiting
    expect([response.status, await response.json()]).toMatchObject([202, { status: "PROCESSING" }])
  })
})
