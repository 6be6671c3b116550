import { setTimeout as sleep } from "node:timers/promises"
import { beforeAll, expect, it, onTestFinished } from "vitest"
import { eventually } from "../../harness/eventually.ts"
import { newNumber } from "../../harness/numbers.ts"
import { describeBehindProxies } from "../../harness/reverse-proxies.ts"
import { openEventStream, overHttp1, overHttp2 } from "../../harness/strict-client.ts"
import { startSystem, type System } from "../../harness/system.ts"

/** The longest that a client may wait for an order. */
const WAIT_S = 50
/** Longer than the minute that proxies usually wait for. */
const QUIET_MS = 70_000

describeBehindProxies("nothing is cut off", (start) => {
  let system: System
  beforeAll(async () => {
    const env = { TRUSTED_PROXIES: "127.0.0.1" }
    // Without workers no order is ever final.
    system = await startSystem({ backend: "postgresql", workers: 0, env })
  })

  it(`a wait of ${WAIT_S} s, and a stream in which nothing happens for ${QUIET_MS / 1_000} s`, async () => {
    const proxy = await start([system.apiUrl, (await system.addApi()).details["url"] ?? ""])
    const { authorization } = await system.register()
    const stream = openEventStream(proxy.url, authorization)
    onTestFinished(() => stream.close())
    const begun = performance.now()
    const waits = [overHttp1(proxy.url), overHttp2(proxy.url)].map(async (client) => {
      onTestFinished(() => client.close())
      const headers = { authorization, "content-type": "text/plain", prefer: `wait=${WAIT_S}` }
      return client.ask("/api/user/orders", { method: "POST", headers, body: newNumber() })
    })
    for (const answer of await Promise.all(waits)) {
      expect(answer).toMatchObject({
        status: 202,
        headers: { "preference-applied": `wait=${WAIT_S}` },
      })
      expect(performance.now() - begun).toBeGreaterThanOrEqual(WAIT_S * 1_000)
    }
    await sleep(QUIET_MS - WAIT_S * 1_000)
    await eventually(
      "the heartbeats came",
      async () => stream.text().split(": nothing new").length > 4,
    )
    expect(stream.isOpen()).toBe(true)
  })
})
