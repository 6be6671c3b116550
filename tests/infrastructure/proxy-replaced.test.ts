import { setTimeout as sleep } from "node:timers/promises"
import type { Child } from "@gofermart/local-stack/child.ts"
import { beforeAll, expect, it, onTestFinished } from "vitest"
import { replaceApi } from "../faults/replace.ts"
import { eventually } from "../harness/eventually.ts"
import { newNumber } from "../harness/numbers.ts"
import { describeBehindProxies } from "../harness/reverse-proxies.ts"
import { openEventStream } from "../harness/strict-client.ts"
import { startSystem, type System } from "../harness/system.ts"
import { ALL_SERVED, type Outcome, startLanes } from "./upload-lanes.ts"

/** Of load before, between and after what is done. */
const LOAD_MS = 700

describeBehindProxies("what is replaced under load", (start, proxyName) => {
  let system: System
  let apis: Child[]
  const urls = () => apis.map(({ details }) => details["url"] ?? "")
  beforeAll(async () => {
    const env = { TRUSTED_PROXIES: "127.0.0.1" }
    system = await startSystem({ backend: "postgresql", env })
    await system.simulator.behave({ autoRegister: true })
    apis = [system.api, await system.addApi()]
  })

  /** Every upload that was answered is there, once. */
  const expectRecorded = async ({ accepted }: Outcome) => {
    expect(accepted.length).toBeGreaterThan(0)
    const found = await system.database.client.order.count({ where: { number: { in: accepted } } })
    expect(found).toBe(accepted.length)
  }

  it("APIs one after the other: no request is lost and none is sent twice", async ({
    annotate,
  }) => {
    const proxy = await start(urls())
    const lanes = startLanes(proxy.url, await system.register())
    await sleep(LOAD_MS)
    for (const [i, api] of apis.entries()) {
      apis[i] = await replaceApi(system, api)
      await sleep(LOAD_MS)
    }
    const outcome = await lanes.stop()
    await annotate(JSON.stringify([...outcome.answers]))
    expect([...outcome.answers.keys()].toSorted()).toEqual(ALL_SERVED)
    await expectRecorded(outcome)
  })

  it("the certificate, by a reload: no request is lost, a stream goes on, new connections see it", async ({
    annotate,
  }) => {
    const proxy = await start(urls())
    const customer = await system.register()
    const stream = openEventStream(proxy.url, customer.authorization)
    onTestFinished(() => stream.close())
    await eventually("the stream has begun", async () => stream.text().includes("retry:"))
    const lanes = startLanes(proxy.url, await system.register())
    await sleep(LOAD_MS)
    await proxy.renewCertificate()
    await sleep(LOAD_MS)
    const outcome = await lanes.stop()
    await annotate(JSON.stringify([...outcome.answers]))
    // nginx ends idle connections of HTTP/1.1 at once, also one on which a client sends just then.
    if (proxyName === "nginx") {
      for (const method of ["GET", "POST"]) outcome.answers.delete(`h1 ${method} ECONNRESET`)
    }
    expect([...outcome.answers.keys()].toSorted()).toEqual(ALL_SERVED)
    await expectRecorded(outcome)
    const number = newNumber()
    await customer.upload(number)
    await eventually("the event comes", async () => stream.text().includes(number))
    expect(stream.isOpen()).toBe(true)
  })

  it("the proxy, by a restart: what is answered is recorded, and afterwards all is served", async ({
    annotate,
  }) => {
    const proxy = await start(urls())
    const lanes = startLanes(proxy.url, await system.register())
    await sleep(LOAD_MS)
    await proxy.restart()
    await sleep(LOAD_MS)
    const outcome = await lanes.stop()
    await annotate(JSON.stringify([...outcome.answers]))
    // There is nobody at the port for a moment, and HAProxy cuts off what is under way.
    const statuses = [...outcome.answers.keys()].filter((answer) => /\d{3}$/.test(answer))
    expect(statuses.toSorted()).toEqual(ALL_SERVED)
    await expectRecorded(outcome)
    const after = startLanes(proxy.url, await system.register())
    await sleep(LOAD_MS)
    expect([...(await after.stop()).answers.keys()].toSorted()).toEqual(ALL_SERVED)
  })
})
