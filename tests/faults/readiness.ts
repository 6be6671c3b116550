import { get } from "node:http"
import { json } from "node:stream/consumers"
import { setTimeout as sleep } from "node:timers/promises"
import { type Reason, REASONS } from "@gofermart/shared/readiness/reasons.ts"
import { expect } from "vitest"
import { eventually } from "../harness/eventually.ts"
import type { System } from "../harness/system.ts"
import { scrape } from "../harness/exposition.ts"

/** Promised: from the fault to the answer that tells of it, and from its end to the good one. */
const TURNS_WITHIN_MS = 5_000

export interface Fault {
  reason: Reason
  break: () => Promise<unknown>
  heal: () => Promise<unknown>
  /** For how long it lasts after it was seen. */
  lastsMs?: number
}

type Answer = [status: number | undefined, body: Record<string, string>]

/** Not by `fetch`, which is held to the description of the API: a worker has a `/healthz` of its own. */
export const ask = (url: string) =>
  new Promise<Answer>((resolve, reject) => {
    get(url, (response) => {
      const body = json(response) as Promise<Record<string, string>>
      body.then((read) => resolve([response.statusCode, read]), reject)
    }).on("error", reject)
  })

/**
 * Does something to the database or the queue of a system and undoes it. The API's `/readyz`, a
 * worker's `/healthz` and the metrics of both must tell of it, and in time, and never of the other
 * part. Prints how long it took to turn, and to turn back.
 */
export async function expectTold(
  system: System,
  part: "database" | "queue",
  name: string,
  fault: Fault,
): Promise<void> {
  const workerUrl = system.workers[0]?.details["operatorsUrl"] ?? ""
  const isIll = part === "database" ? "unavailable" : "degraded"
  const all = { database: "ok", queue: "ok" }
  const ill = { ...all, [part]: isIll, [`${part}_reason`]: REASONS[fault.reason] }
  const well = [
    [200, all],
    [200, { status: "alive", ...all }],
  ]
  const status = part === "database" ? 503 : 200
  const told = [
    [status, ill],
    [200, { status: `${part} unavailable`, ...ill }],
  ]
  const urls = [`${system.apiUrl}/readyz`, `${workerUrl}/healthz`]
  const answers = () => Promise.all(urls.map(ask))
  /** Waits for both to say that, and gives for how long it took the slower one. */
  const untilSaid = async (what: string, isSaid: (answer: Answer) => boolean) => {
    const begun = performance.now()
    const waits = urls.map((url) =>
      eventually(`${name}: ${url} ${what}`, async () => isSaid(await ask(url))),
    )
    await Promise.all(waits)
    return performance.now() - begun
  }
  const isWell = ([, body]: Answer) => body[part] === "ok"

  await untilSaid("well before", ([, body]) => body["database"] === "ok" && body["queue"] === "ok")
  expect(await answers()).toEqual(well)
  const turning = untilSaid("turns", (answer) => !isWell(answer))
  await fault.break()
  const turnedMs = await turning
  // A server that is restarted goes through other reasons.
  const reasonMs = await untilSaid("says why", ([, body]) => {
    return body[`${part}_reason`] === REASONS[fault.reason]
  })
  expect(await answers()).toEqual(told)
  const series = `gofermart_not_writable{part="${part}",reason="${fault.reason}"}`
  for (const url of [system.operatorsUrl, workerUrl]) {
    const shown = [...(await scrape(url))].filter(([key, value]) => {
      return key.startsWith("gofermart_not_writable") && value === 1
    })
    expect(shown).toEqual([[series, 1]])
  }
  await sleep(fault.lastsMs ?? 0)
  expect(await answers()).toEqual(told)
  await fault.heal()
  const backMs = await untilSaid("turns back", isWell)
  expect(await answers()).toEqual(well)
  const inSeconds = (ms: number) => `${(ms / 1_000).toFixed(1)} s`
  const times = `turned after ${inSeconds(turnedMs)}, back after ${inSeconds(backMs)}`
  process.stdout.write(`${name}: ${status} "${REASONS[fault.reason]}", ${times}\n`)
  expect(turnedMs).toBeLessThan(TURNS_WITHIN_MS)
  expect(reasonMs).toBeLessThan(TURNS_WITHIN_MS)
  expect(backMs).toBeLessThan(TURNS_WITHIN_MS)
}
