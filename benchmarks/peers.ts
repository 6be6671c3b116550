import { setTimeout as sleep } from "node:timers/promises"
import { reasonOf } from "@gofermart/shared/runtime/reason-of.ts"
import { inTurn } from "./fixtures/customers.ts"
import { newNumber } from "./fixtures/requests.ts"
import { processClock } from "./measure/cpu.ts"
import { HttpLoad, type HttpRequest } from "./measure/http-load.ts"
import type { Report } from "./measure/progress.ts"
import {
  alternate,
  p50Ms,
  p99Ms,
  perSecond,
  ratios,
  type Run,
  type Side,
} from "./measure/rounds.ts"
import type { PeersOptions } from "./options.ts"
import type { Outcome, Row } from "./scenarios/scenario.ts"

const CUSTOMERS = 50
const REGISTRATION_TIMEOUT_MS = 30_000
/** What a run leaves to be done, such as adding jobs, is not to meet the next one. */
const PAUSE_MS = 500

/** Uploads to two implementations of the contract, one after the other, in alternating order. */
export async function comparePeers(options: PeersOptions, report: Report): Promise<Outcome> {
  const sides: (Side & { close(): Promise<void> })[] = []
  try {
    for (const [i, url] of options.urls.entries()) {
      const customers: string[] = []
      while (customers.length < CUSTOMERS) {
        report(0, 1, `registering customers at ${url.origin}`)
        customers.push(await register(url))
      }
      sides.push(sideOf(`${"AB"[i]} ${url.origin}`, url, customers, options.pids[i], options))
    }
    const runs = await alternate(sides, options.extent.rounds, report)
    const [one = "", other = ""] = sides.map(({ name }) => name)
    const row = (what: string, figure: (run: Run) => number): Row => ({
      row: "peers",
      what,
      to: other,
      ratios: ratios(runs, one, other, figure),
      target: undefined,
    })
    const rows = [
      row(`uploads a second, ${one}`, perSecond),
      row("their p50", p50Ms),
      row("their p99", p99Ms),
    ]
    if (options.pids.length > 0) rows.push(row("CPU of its process for one", cpuOfOne))
    return { rows, runs }
  } finally {
    for (const side of sides) await side.close()
  }
}

function cpuOfOne({ cpu, operations }: Run): number {
  return (cpu["process"] ?? Number.NaN) / operations
}

function sideOf(
  name: string,
  url: URL,
  customers: string[],
  pid: number | undefined,
  { connections, uploadsPerS, extent }: PeersOptions,
) {
  const load = new HttpLoad(url.origin, connections)
  const nextCustomer = inTurn(customers)
  const next = (): HttpRequest => ({
    method: "POST",
    path: pathAt(url, "/api/user/orders"),
    headers: { authorization: nextCustomer(), "content-type": "text/plain" },
    body: newNumber(),
  })
  return {
    name,
    clocks: pid === undefined ? {} : { process: processClock(() => pid) },
    prepare: () => sleep(PAUSE_MS),
    run: () => {
      const running =
        uploadsPerS === undefined
          ? load.run(extent.seconds, next, 202)
          : load.runAt(uploadsPerS, extent.seconds, next, 202)
      return running.catch((error: unknown) => {
        throw new Error(`${name}: ${reasonOf(error)}`)
      })
    },
    close: () => load.close(),
  }
}

/** Gives what the published contract authenticates by: the Authorization header. */
async function register(url: URL): Promise<string> {
  const login = `bench-${crypto.randomUUID()}`
  const answer = await fetch(new URL(pathAt(url, "/api/user/register"), url), {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ login, password: crypto.randomUUID() }),
    signal: AbortSignal.timeout(REGISTRATION_TIMEOUT_MS),
  }).catch((error: Error) => {
    throw new Error(`${url.origin} does not answer: ${reasonOf(error.cause ?? error)}`)
  })
  const authorization = answer.headers.get("authorization")
  await answer.body?.cancel()
  if (!answer.ok) throw new Error(`${url.origin} answered a registration with ${answer.status}`)
  if (authorization === null) throw new Error(`${url.origin} sent no Authorization header`)
  return authorization
}

/** An implementation may be below a path of its own. */
function pathAt({ pathname }: URL, path: string): string {
  return `${pathname.replace(/\/$/, "")}${path}`
}
