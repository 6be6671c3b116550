import { setTimeout as sleep } from "node:timers/promises"
import type { Child } from "@gofermart/local-stack/child.ts"
import { Customer } from "@gofermart/local-stack/customer.ts"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { newLogin } from "../harness/numbers.ts"
import { startSystem, type System } from "../harness/system.ts"
import { type Balancer, startBalancer } from "../harness/balancer.ts"
import { newKey } from "./keys.ts"
import { replaceApi } from "./replace.ts"

const READERS = 4
const REST_MS = 20
/** Registering takes the processor much longer than reading. */
const REGISTRATION_REST_MS = 100
const LOAD_MS = 200

describe("The signing keys of two APIs", () => {
  const oldKey = newKey("old")
  const youngKey = newKey("young")
  let system: System
  let apis: Child[]
  let balancer: Balancer

  beforeEach(async () => {
    const apiEnv = { AUTH_KEYS: oldKey }
    system = await startSystem({ backend: "postgresql", workers: 0, apiEnv })
    apis = [system.api, await system.addApi()]
    balancer = await startBalancer(apis.map(({ details }) => details["url"] ?? ""))
  })
  afterEach(async () => {
    await balancer.close()
    await system.close()
  })

  const restartWith = async (keys: string[]) => {
    for (const [i, api] of apis.entries()) {
      apis[i] = await replaceApi(system, api, { AUTH_KEYS: keys.join(",") })
      await sleep(LOAD_MS)
    }
  }
  /** What each API says to this customer's token. */
  const statuses = ({ authorization }: Customer) =>
    Promise.all(
      apis.map(async ({ details }) => {
        const path = `${details["url"]}/api/user/balance`
        return (await fetch(path, { headers: { authorization } })).status
      }),
    )

  it("rotated under load: nobody is refused, until the old key is taken away", async () => {
    const veteran = await Customer.register(balancer.url, newLogin())
    const newcomers: Customer[] = []
    const rotating = new AbortController()
    const isOver = () => rotating.signal.aborted
    const load = [
      ...Array.from({ length: READERS }, () => keepReading(veteran, isOver)),
      keepRegistering(balancer.url, newcomers, isOver),
    ]

    await sleep(LOAD_MS)
    await restartWith([oldKey, youngKey])
    await restartWith([youngKey, oldKey])
    const signedOld = newcomers[0]
    rotating.abort()
    await Promise.all(load)
    expect(balancer.failures).toEqual([])
    const signedYoung = await Customer.register(balancer.url, newLogin())
    for (const customer of [veteran, signedOld, signedYoung, ...newcomers.slice(-1)]) {
      expect(customer && (await statuses(customer))).toEqual([200, 200])
    }

    await restartWith([youngKey])
    expect(await statuses(veteran)).toEqual([401, 401])
    expect(signedOld && (await statuses(signedOld))).toEqual([401, 401])
    expect(await statuses(signedYoung)).toEqual([200, 200])
  })

  it("with a new one that signs before every API has it: the others refuse its tokens", async () => {
    const [first] = apis
    if (first === undefined) throw new Error("there is no API")
    apis[0] = await replaceApi(system, first, { AUTH_KEYS: `${youngKey},${oldKey}` })
    const customer = await Customer.register(system.apiUrl, newLogin())
    expect(await statuses(customer)).toEqual([200, 401])
  })
})

/** A refusal, of whatever kind, rejects. */
async function keepReading(customer: Customer, isOver: () => boolean): Promise<void> {
  while (!isOver()) {
    await customer.balance()
    await sleep(REST_MS)
  }
}

/** Each newcomer is known to both APIs at once: the balancer asks them in turn. */
async function keepRegistering(
  url: string,
  newcomers: Customer[],
  isOver: () => boolean,
): Promise<void> {
  while (!isOver()) {
    const customer = await Customer.register(url, newLogin())
    await Promise.all([customer.balance(), customer.balance(), customer.balance()])
    newcomers.push(customer)
    await sleep(REGISTRATION_REST_MS)
  }
}
