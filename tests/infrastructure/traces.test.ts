import { writeFile } from "node:fs/promises"
import { join } from "node:path"
import type { Customer } from "@gofermart/local-stack/customer.ts"
import {
  order,
  type ScriptedScoring,
  startScriptedScoring,
} from "@gofermart/scoring-simulator/scripted.ts"
import { beforeAll, describe, expect, inject, it } from "vitest"
import { BAD_COLLECTORS } from "../harness/bad-collectors.ts"
import { eventually } from "../harness/eventually.ts"
import { scrape } from "../harness/exposition.ts"
import { newNumbers } from "../harness/numbers.ts"
import { startSystem, type System } from "../harness/system.ts"
import { LOOPBACK_CERTIFICATE } from "../settings/certificate.ts"

const ORDERS = 5
/** Shorter than a test would sit through. */
const EXPORT_TIMEOUT_MS = 400
/** In which a failed export is complained of, however the collector fails. */
const COMPLAINT_MS = 20_000
const SHUTDOWN_GRACE_MS = 8_000
/** Of a line about an answer, however long that is. */
const LINE_LENGTH_MAX = 600

describe("a collector that", () => {
  let scoring: ScriptedScoring
  /** Its API has no traces; each test adds an API and a worker that have. */
  let system: System
  let anna: Customer
  beforeAll(async () => {
    scoring = await startScriptedScoring()
    const env = { SHUTDOWN_GRACE: `${SHUTDOWN_GRACE_MS}ms` }
    system = await startSystem({ backend: "postgresql", scoringUrl: scoring.url, workers: 0, env })
    anna = await system.register()
    return async () => {
      await system.close()
      await scoring.close()
    }
  })

  const upload = async (apiUrl: string, number: string) => {
    const { status } = await fetch(`${apiUrl}/api/user/orders`, {
      method: "POST",
      headers: { authorization: anna.authorization, "content-type": "text/plain" },
      body: number,
    })
    return status
  }
  /** The warnings that have been logged since there were so many characters of log. */
  const warningsSince = async (length: number) =>
    (await system.logs())
      .slice(length)
      .split("\n")
      .filter((line) => line.includes("traces are not exported"))

  it.each(Object.entries(BAD_COLLECTORS))(
    "%s, is complained of once, and nothing waits for it",
    async (_, { start, reason, isLoss }) => {
      const url = await start()
      const authority = join(inject("folder"), "collectors-authority.pem")
      await writeFile(authority, LOOPBACK_CERTIFICATE)
      const traced = (protocol: string) => ({
        OTEL_EXPORTER_OTLP_ENDPOINT: url,
        OTEL_EXPORTER_OTLP_TIMEOUT: String(EXPORT_TIMEOUT_MS),
        OTEL_EXPORTER_OTLP_PROTOCOL: protocol,
        OTEL_EXPORTER_OTLP_CERTIFICATE: authority,
      })
      const before = (await system.logs()).length
      const [api, worker] = await Promise.all([
        system.addApi(traced("http/json")),
        system.addWorker(traced("http/protobuf")),
      ])
      const { url: apiUrl = "", operatorsUrl = "" } = api.details
      const balance = (await anna.balance()).current
      const numbers = newNumbers(ORDERS)
      for (const number of numbers) {
        scoring.script(number, order("PROCESSED", "1"))
        expect(await upload(apiUrl, number)).toBe(202)
      }
      await eventually("all are settled", async () => {
        return (await anna.balance()).current === balance + ORDERS
      })
      const complaints = async () => {
        const warnings = await warningsSince(before)
        return warnings.length >= 2 && warnings
      }
      const lines = await eventually("both have complained", complaints, COMPLAINT_MS)
      for (const line of lines) {
        expect(JSON.parse(line)).toMatchObject({
          level: 40,
          reason: expect.stringMatching(reason),
        })
        expect(line.length).toBeLessThan(LINE_LENGTH_MAX)
      }
      const lost = async () => (await scrape(operatorsUrl)).get("gofermart_spans_lost_total") ?? 0
      const soFar = await lost()
      await upload(apiUrl, numbers[0] ?? "")
      await eventually("where they are lost, another batch is", async () => {
        return !isLoss || (await lost()) > soFar
      })
      // The last batch is not waited for.
      await upload(apiUrl, numbers[0] ?? "")
      expect(await Promise.all([api.stop(), worker.stop()])).toEqual([0, 0])
      expect(await warningsSince(before)).toHaveLength(2)
      expect((await system.logs()).slice(before)).not.toContain("did not stop in time")
    },
  )
})
