import { createServer, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import { type OrderNumber, withCheckDigit } from "@gofermart/shared/domain/order-number.ts"
import { checkConformance } from "./conformance.ts"
import type { PartId } from "./parts.ts"
import type { PartReport, Report } from "./report.ts"

export interface Reply {
  status: number
  headers: Record<string, string>
  body: string | Buffer
}
/** What the scripted scoring system does: answer, close the connection, send bytes, or nothing. */
export type Act = Reply | "close" | "hang" | { raw: string }
interface Question {
  number: string
  isKnown: boolean
  /** How often this number was asked about before. */
  before: number
}
/** Makes something else of the answer that a good scoring system gives. */
export type Defect = (good: Reply, question: Question) => Act

export const PROCESSED = withCheckDigit("10000000000001")
export const INVALID = withCheckDigit("10000000000002")
export const REGISTERED = withCheckDigit("10000000000003")
export const PROCESSING = withCheckDigit("10000000000004")
export const ZEROS = withCheckDigit("00000000000005")
const KNOWN: Record<string, object> = {
  [PROCESSED]: { order: PROCESSED, status: "PROCESSED", accrual: 729.98 },
  [INVALID]: { order: INVALID, status: "INVALID" },
  [REGISTERED]: { order: REGISTERED, status: "REGISTERED" },
  [PROCESSING]: { order: PROCESSING, status: "PROCESSING" },
  [ZEROS]: { order: ZEROS, status: "PROCESSED" },
}
const ORDERS = Object.keys(KNOWN).toSorted() as OrderNumber[]
export const JSON_HEADERS = { "content-type": "application/json" }

const running: (() => void)[] = []

/** Closes the scoring systems that a test started. */
export function closeSystems(): void {
  for (const close of running.splice(0)) close()
}

/** Starts a scoring system that knows five orders, and is good but for this defect. */
export async function startSystem(defect: Defect): Promise<{ url: URL; asked: () => number }> {
  const counts = new Map<string, number>()
  const server = createServer((request, response) => {
    const number = request.url?.replace("/api/orders/", "") ?? ""
    const before = counts.get(number) ?? 0
    counts.set(number, before + 1)
    const order = KNOWN[number]
    const good =
      order === undefined
        ? { status: 204, headers: {}, body: "" }
        : { status: 200, headers: JSON_HEADERS, body: JSON.stringify(order) }
    act(defect(good, { number, isKnown: order !== undefined, before }), response)
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  running.push(() => {
    server.closeAllConnections()
    server.close()
  })
  return {
    url: new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}`),
    asked: () => counts.values().reduce((sum, count) => sum + count, 0),
  }
}

function act(acted: Act, response: ServerResponse): void {
  if (acted === "hang") return
  if (acted === "close") return void response.socket?.destroy()
  if ("raw" in acted) return void response.socket?.write(acted.raw)
  response.writeHead(acted.status, acted.headers).end(acted.body)
}

/** Checks it with the orders that it knows. */
export async function check(url: URL, limitWithin = 0): Promise<Report> {
  const outcome = await checkConformance(url, {
    orders: ORDERS,
    register: false,
    limitWithin,
    // Long enough that only what never answers is too slow.
    questionTimeoutMs: 2_000,
    progress: () => undefined,
  })
  if (outcome.kind !== "reported") throw new Error(outcome.reason)
  return outcome.report
}

export const partOf = (report: Report, id: PartId): PartReport => {
  const found = report.parts.find(({ part }) => part === id)
  if (found === undefined) throw new Error(id)
  return found
}
export const partsWith = (report: Report, verdict: PartReport["verdict"]) =>
  report.parts.filter((part) => part.verdict === verdict).map(({ part }) => part)

export const SENTENCE = "No more than 60 requests per minute allowed"
/** Refuses the question after so many about the same number. */
export const refusing =
  (headers: Record<string, string>, body: string, times = 1): Defect =>
  (good, { isKnown, before }) =>
    !isKnown && before >= 3 && before < 3 + times
      ? { status: 429, headers: { "content-type": "text/plain", ...headers }, body }
      : good
export const httpDate = (inMs: number) => new Date(Date.now() + inMs).toUTCString()
