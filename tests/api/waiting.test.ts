import type { Customer } from "@gofermart/local-stack/customer.ts"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { newNumber } from "../harness/numbers.ts"
import { startSystem, type System } from "../harness/system.ts"

const WAITS_PER_USER_MAX = 100
/** More than one user may. */
const WAITS_PER_NETWORK_MAX = 110

describe("waiting for the result", () => {
  let system: System
  let anna: Customer
  beforeAll(async () => {
    const apiEnv = {
      TRUSTED_PROXIES: "127.0.0.1",
      WAITS_PER_NETWORK_MAX: String(WAITS_PER_NETWORK_MAX),
    }
    system = await startSystem({ backend: "postgresql", apiEnv })
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

  it("waits no longer than 50 s, and says so", async () => {
    const number = newNumber()
    await system.simulator.know(number, 1)
    const response = await upload(number, "wait=3600")
    expect(response.headers.get("preference-applied")).toBe("wait=50")
  })

  it("lets one user wait a hundred times at once, and others all the same", async () => {
    const number = newNumber()
    await anna.upload(number)
    const waiting = Array.from({ length: WAITS_PER_USER_MAX + 1 }, () => get(number, "wait=50"))
    const refused = await Promise.race(waiting)
    expect(refused.headers.get("preference-applied")).toBeNull()
    const boris = await system.register()
    const known = newNumber()
    await system.simulator.know(known, 1)
    expect(await boris.uploadAndWait(known, 10)).toMatchObject({ status: "PROCESSED" })
    await system.simulator.know(number, 1)
    const others = (await Promise.all(waiting)).filter((response) => response !== refused)
    expect(others).toHaveLength(WAITS_PER_USER_MAX)
    for (const response of others) {
      expect(response.headers.get("preference-applied")).toBe("wait=50")
    }
  })

  it("leaves another network the waits that many accounts of one would have", async () => {
    const last = await system.register()
    const customers = await Promise.all(Array.from({ length: 11 }, () => system.register()))
    const numbers = new Map(
      await Promise.all(
        [last, ...customers].map(async (customer) => {
          const number = newNumber()
          await customer.upload(number)
          return [customer, number] as const
        }),
      ),
    )
    const wait = async (customer: Customer, waitS: number, network: string) => {
      const { authorization } = customer
      const headers = { authorization, prefer: `wait=${waitS}`, "x-forwarded-for": network }
      const url = `${system.apiUrl}/api/user/orders/${numbers.get(customer)}`
      return (await fetch(url, { headers })).headers.get("preference-applied")
    }
    const waiting = customers.flatMap((customer) =>
      Array.from({ length: WAITS_PER_NETWORK_MAX / 11 }, () => wait(customer, 50, "203.0.113.1")),
    )
    // Whichever comes last is one too many.
    waiting.push(wait(last, 50, "203.0.113.1"))
    expect(await Promise.race(waiting)).toBeNull()
    expect(await wait(last, 1, "203.0.113.2")).toBe("wait=1")
    for (const number of numbers.values()) await system.simulator.know(number, 1)
    const applied = (await Promise.all(waiting)).filter((preference) => preference === "wait=50")
    expect(applied).toHaveLength(WAITS_PER_NETWORK_MAX)
    expect(await wait(last, 0, "203.0.113.1")).toBe("wait=0")
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
