import { Agent, get } from "node:http"
import { expect, it } from "vitest"
import { BAD_COLLECTORS } from "../../harness/bad-collectors.ts"
import { eventually } from "../../harness/eventually.ts"
import { scrape } from "../../harness/exposition.ts"
import { startSystem } from "../../harness/system.ts"

/** Spans of so many would not fit. */
const REQUESTS = 150_000
const HEAP_MB = 128
const AT_ONCE = 32
/** Many more than may wait for a collector, and be on their way to it. */
const LOST_MIN = 100_000

/** Asks again and again, and resolves with the number of answers of each status. */
async function ask(url: string): Promise<Record<number, number>> {
  const agent = new Agent({ keepAlive: true, maxSockets: AT_ONCE })
  const statuses: Record<number, number> = {}
  let left = REQUESTS
  const askOne = () =>
    new Promise<void>((resolve, reject) => {
      get(url, { agent }, (response) => {
        const { statusCode = 0 } = response
        statuses[statusCode] = (statuses[statusCode] ?? 0) + 1
        response.resume().once("end", resolve)
      }).on("error", reject)
    })
  const askAll = async () => {
    while (left-- > 0) await askOne()
  }
  await Promise.all(Array.from({ length: AT_ONCE }, askAll))
  agent.destroy()
  return statuses
}

it("spans that a silent collector does not take are dropped, and counted", async () => {
  const silent = BAD_COLLECTORS["takes connections and says nothing"]
  const system = await startSystem({
    backend: "postgresql",
    workers: 0,
    apiEnv: {
      OTEL_EXPORTER_OTLP_ENDPOINT: (await silent?.start()) ?? "",
      OTEL_EXPORTER_OTLP_TIMEOUT: "60000",
      OTEL_EXPORTER_OTLP_PROTOCOL: "http/protobuf",
      NODE_OPTIONS: `--max-old-space-size=${HEAP_MB}`,
    },
  })
  // Each leaves a span, and nothing else to do.
  expect(await ask(`${system.apiUrl}/api/user/balance`)).toEqual({ 401: REQUESTS })
  await eventually("many are lost", async () => {
    const samples = await scrape(system.operatorsUrl)
    return (samples.get("gofermart_spans_lost_total") ?? 0) > LOST_MIN
  })
  expect(await system.api.stop()).toBe(0)
})
