import type { ServerResponse } from "node:http"
import {
  type ScriptedScoring,
  startScriptedScoring,
} from "@gofermart/scoring-simulator/scripted.ts"
import { type OrderNumber, withCheckDigit } from "@gofermart/shared/domain/order-number.ts"
import { checkConformance } from "./conformance.ts"
import type { CheckId } from "./checks.ts"
import type { CheckReport, Report } from "./report.ts"

export interface Answer {
  status: number
  headers: Record<string, string>
  body: string | Buffer
}
/** What the scripted scoring system does: answer, close the connection, send bytes, or nothing. */
export type Act = Answer | "close" | "hang" | { raw: string }
interface Poll {
  number: string
  isKnown: boolean
  /** How often this number was polled before. */
  before: number
}
/** Makes something else of the answer that a good scoring system gives. */
export type Defect = (good: Answer, poll: Poll) => Act

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

const running: ScriptedScoring[] = []

/** Closes the scoring systems that a test started. */
export async function closeSystems(): Promise<void> {
  await Promise.all(running.splice(0).map((scoring) => scoring.close()))
}

/** Starts a scoring system that knows five orders, and is good but for this defect. */
export async function startSystem(defect: Defect): Promise<{ url: URL; polls: () => number }> {
  let polls = 0
  const scoring = await startScriptedScoring((number, response) => {
    polls += 1
    const order = KNOWN[number]
    const good =
      order === undefined
        ? { status: 204, headers: {}, body: "" }
        : { status: 200, headers: JSON_HEADERS, body: JSON.stringify(order) }
    const before = scoring.polls(number).length - 1
    act(defect(good, { number, isKnown: order !== undefined, before }), response)
  })
  running.push(scoring)
  return { url: new URL(scoring.url), polls: () => polls }
}

function act(acted: Act, response: ServerResponse): void {
  if (acted === "hang") return
  if (acted === "close") return void response.socket?.destroy()
  if ("raw" in acted) return void response.socket?.write(acted.raw)
  response.writeHead(acted.status, acted.headers).end(acted.body)
}

/** Checks it with the orders that it knows. Only what is to be too slow needs a time shorter than this. */
export async function checkSystem(
  url: URL,
  limitWithin = 0,
  pollTimeoutMs = 60_000,
): Promise<Report> {
  const outcome = await checkConformance(url, {
    orders: ORDERS,
    register: false,
    limitWithin,
    pollTimeoutMs,
    progress: () => undefined,
  })
  if (outcome.kind !== "reported") throw new Error(outcome.reason)
  return outcome.report
}

export const checkOf = (report: Report, id: CheckId): CheckReport => {
  const found = report.checks.find(({ check }) => check === id)
  if (found === undefined) throw new Error(id)
  return found
}
export const checksWith = (report: Report, verdict: CheckReport["verdict"]) =>
  report.checks.filter((found) => found.verdict === verdict).map(({ check }) => check)

export const SENTENCE = "No more than 60 requests per minute allowed"
/** Refuses the poll after so many of the same number. */
export const refusing =
  (headers: Record<string, string>, body: string, times = 1): Defect =>
  (good, { isKnown, before }) =>
    !isKnown && before >= 3 && before < 3 + times
      ? { status: 429, headers: { "content-type": "text/plain", ...headers }, body }
      : good
export const httpDate = (inMs: number) => new Date(Date.now() + inMs).toUTCString()
