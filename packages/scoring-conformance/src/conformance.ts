import { setTimeout as wait } from "node:timers/promises"
import { openScoringObserver } from "@gofermart/scoring-client/observe.ts"
import type { OrderNumber } from "@gofermart/shared/domain/order-number.ts"
import { pointsToNumber } from "@gofermart/shared/domain/points.ts"
import { Inquiry, type Progress } from "./inquiry.ts"
import { makeUpLongNumber, makeUpNumber } from "./made-up-number.ts"
import { findUnreachable } from "./reach.ts"
import { EXAMPLE_POINTS, register } from "./registration.ts"
import { Findings, type Report } from "./report.ts"
import { type Asked, signOf } from "./sign.ts"

/** Of a question, as a worker's is unless it is set otherwise. */
const QUESTION_TIMEOUT_MS = 10_000
/** How often an order that has its verdict is asked about again. */
const VERDICT_REPEATS = 2
/** For the verdicts of orders just registered. */
const VERDICT_TIMEOUT_MS = 60_000
const VERDICT_INTERVAL_MS = 500

export interface ConformanceOptions {
  /** Orders that the scoring system knows. */
  orders: readonly OrderNumber[]
  /** Whether to register some, which changes the scoring system. */
  register: boolean
  /** How many questions to ask at most until one is refused; 0 asks none for that. */
  limitWithin: number
  questionTimeoutMs?: number
  progress: Progress
}

export type Outcome = { kind: "reported"; report: Report } | { kind: "unreachable"; reason: string }

/**
 * Finds out which parts of the protocol the scoring system at `url` honours, by asking it as our
 * client does. It is asked one question at a time. Never rejects for what the scoring system does.
 */
export async function checkConformance(url: URL, options: ConformanceOptions): Promise<Outcome> {
  const reason = await findUnreachable(url)
  if (reason !== undefined) return { kind: "unreachable", reason }
  const base = url.href.replace(/\/$/, "")
  const observer = openScoringObserver(base, options.questionTimeoutMs ?? QUESTION_TIMEOUT_MS)
  const findings = new Findings()
  const inquiry = new Inquiry(observer, findings, options.progress)
  try {
    await askAboutUnknown(inquiry, findings)
    for (const [i, number] of options.orders.entries()) {
      options.progress("orders asked about", i + 1, options.orders.length)
      await askAboutKnown(inquiry, findings, number)
    }
    if (options.register && !findings.isStopped) {
      await askAboutRegistered(inquiry, findings, base, options.progress)
    }
    await meetLimit(inquiry, findings, options)
  } finally {
    observer.close()
  }
  return { kind: "reported", report: findings.report(base) }
}

async function askAboutUnknown(inquiry: Inquiry, findings: Findings): Promise<void> {
  const number = makeUpNumber()
  const first = await inquiry.ask(number, "unknown")
  const second = await inquiry.ask(number, "unknown")
  if (first?.observation.received !== undefined && second?.observation.received !== undefined) {
    const { isConnectionKept } = second.observation.received
    const sign = isConnectionKept
      ? signOf(second, "keep_alive", undefined, "asks again over the same connection")
      : signOf(second, "keep_alive", "it closes them", "opens a connection for every question")
    findings.add([sign])
  }
  await inquiry.ask(makeUpLongNumber(), "unknown")
}

/** Resolves with the first question about the order; undefined when it was not asked. */
async function askAboutKnown(
  inquiry: Inquiry,
  findings: Findings,
  number: OrderNumber,
): Promise<Asked | undefined> {
  const first = await inquiry.ask(number, "known")
  if (first === undefined || !isVerdict(first)) return first
  for (let i = 0; i < VERDICT_REPEATS; i++) {
    const again = await inquiry.ask(number, "known")
    if (again?.observation.answer.kind !== "valid") continue
    const isSame = wordsOf(again) === wordsOf(first)
    const violation = isSame ? undefined : `first ${wordsOf(first)}, then ${wordsOf(again)}`
    findings.add([signOf(again, "verdict_stays", violation, "keeps to the first verdict")])
  }
  return first
}

async function askAboutRegistered(
  inquiry: Inquiry,
  findings: Findings,
  url: string,
  progress: Progress,
): Promise<void> {
  const { signs, orders, example, shorter } = await register(url)
  findings.add(signs)
  const endMs = performance.now() + VERDICT_TIMEOUT_MS
  let open = orders
  for (;;) {
    const waiting: OrderNumber[] = []
    for (const number of open) {
      const asked = await askAboutKnown(inquiry, findings, number)
      if (asked !== undefined && isNotFinal(asked)) waiting.push(number)
      if (number === example && asked !== undefined) readReward(findings, asked)
    }
    open = waiting
    progress("orders with a verdict", orders.length - open.length, orders.length)
    if (open.length === 0 || performance.now() >= endMs) break
    await wait(VERDICT_INTERVAL_MS)
  }
  await inquiry.ask(shorter, "shorter")
  const withinS = VERDICT_TIMEOUT_MS / 1_000
  findings.explain("reward", `the order registered was not PROCESSED within ${withinS} s`)
}

function readReward(findings: Findings, asked: Asked): void {
  const { answer } = asked.observation
  if (answer.kind !== "valid" || answer.answer.kind !== "PROCESSED") return
  const { points } = answer.answer
  const expected = pointsToNumber(EXAMPLE_POINTS)
  const violation = `it earned ${pointsToNumber(points)}, not ${expected}`
  findings.add([signOf(asked, "reward", points === EXAMPLE_POINTS ? undefined : violation)])
}

async function meetLimit(
  inquiry: Inquiry,
  findings: Findings,
  { limitWithin, progress }: ConformanceOptions,
): Promise<void> {
  const number = makeUpNumber()
  for (let i = 0; i < limitWithin; i++) {
    if (findings.has("limit") || findings.isStopped) return
    progress("questions asked to be refused", i + 1, limitWithin)
    await inquiry.ask(number, "unknown")
  }
  if (limitWithin === 0 || findings.has("limit")) return
  const reason = `it refused none of ${limitWithin} questions: give --limit-within more`
  for (const part of ["limit", "retry_after", "limit_sentence", "limit_ends"] as const) {
    findings.explain(part, reason)
  }
}

function isVerdict({ observation: { answer } }: Asked): boolean {
  if (answer.kind !== "valid") return false
  return answer.answer.kind === "PROCESSED" || answer.answer.kind === "INVALID"
}

function isNotFinal({ observation: { answer } }: Asked): boolean {
  return answer.kind === "valid" && answer.answer.kind === "NOT_FINAL"
}

function wordsOf({ observation: { answer } }: Asked): string {
  if (answer.kind !== "valid") return answer.kind
  const { answer: valid } = answer
  return valid.kind === "PROCESSED" ? `PROCESSED ${pointsToNumber(valid.points)}` : valid.kind
}
