import { setTimeout as wait } from "node:timers/promises"
import { openScoringObserver } from "@gofermart/scoring-client/observe.ts"
import type { OrderNumber } from "@gofermart/shared/domain/order-number.ts"
import { pointsToNumber } from "@gofermart/shared/domain/points.ts"
import { Probe, type Progress } from "./probe.ts"
import { makeUpLongNumber, makeUpNumber } from "./made-up-number.ts"
import { findUnreachable } from "./reach.ts"
import { EXAMPLE_POINTS, register } from "./registration.ts"
import { Findings, type Report } from "./report.ts"
import { type Poll, findingOf } from "./finding.ts"

/** Of a poll, as a worker's is unless it is set otherwise. */
const POLL_TIMEOUT_MS = 10_000
/** How often an order that has its verdict is polled again. */
const VERDICT_REPEATS = 2
/** For the verdicts of orders just registered. */
const VERDICT_TIMEOUT_MS = 60_000
const VERDICT_INTERVAL_MS = 500

export interface ConformanceOptions {
  /** Orders that the scoring system knows. */
  orders: readonly OrderNumber[]
  /** Whether to register some, which changes the scoring system. */
  register: boolean
  /** How many polls to make at most until one is refused; 0 makes none for that. */
  limitWithin: number
  pollTimeoutMs?: number
  progress: Progress
}

export type Outcome = { kind: "reported"; report: Report } | { kind: "unreachable"; reason: string }

/**
 * Finds out which rules of the protocol the scoring system at `url` honours, by polling it as our
 * client does, one poll at a time. Never rejects for what the scoring system does.
 */
export async function checkConformance(url: URL, options: ConformanceOptions): Promise<Outcome> {
  const reason = await findUnreachable(url)
  if (reason !== undefined) return { kind: "unreachable", reason }
  const base = url.href.replace(/\/$/, "")
  const observer = openScoringObserver(base, options.pollTimeoutMs ?? POLL_TIMEOUT_MS)
  const findings = new Findings()
  const probe = new Probe(observer, findings, options.progress)
  try {
    await pollUnknown(probe, findings)
    for (const [i, number] of options.orders.entries()) {
      options.progress("orders polled", i + 1, options.orders.length)
      await pollKnown(probe, findings, number)
    }
    if (options.register && !findings.isStopped) {
      await pollRegistered(probe, findings, base, options.progress)
    }
    await meetLimit(probe, findings, options)
  } finally {
    observer.close()
  }
  return { kind: "reported", report: findings.report(base) }
}

async function pollUnknown(probe: Probe, findings: Findings): Promise<void> {
  const number = makeUpNumber()
  const first = await probe.poll(number, "unknown")
  const second = await probe.poll(number, "unknown")
  if (first?.observation.received !== undefined && second?.observation.received !== undefined) {
    const { isConnectionKept } = second.observation.received
    const finding = isConnectionKept
      ? findingOf(second, "keep_alive", undefined, "polls again over the same connection")
      : findingOf(second, "keep_alive", "it closes them", "opens a connection for every poll")
    findings.add([finding])
  }
  await probe.poll(makeUpLongNumber(), "unknown")
}

/** Resolves with the first poll of the order; undefined when it was not polled. */
async function pollKnown(
  probe: Probe,
  findings: Findings,
  number: OrderNumber,
): Promise<Poll | undefined> {
  const first = await probe.poll(number, "known")
  if (first === undefined || !isVerdict(first)) return first
  for (let i = 0; i < VERDICT_REPEATS; i++) {
    const again = await probe.poll(number, "known")
    if (again?.observation.answer.kind !== "valid") continue
    const isSame = wordsOf(again) === wordsOf(first)
    const violation = isSame ? undefined : `first ${wordsOf(first)}, then ${wordsOf(again)}`
    findings.add([findingOf(again, "verdict_stays", violation, "keeps to the first verdict")])
  }
  return first
}

async function pollRegistered(
  probe: Probe,
  findings: Findings,
  url: string,
  progress: Progress,
): Promise<void> {
  const { found, orders, example, shorter } = await register(url)
  findings.add(found)
  const endMs = performance.now() + VERDICT_TIMEOUT_MS
  let open = orders
  for (;;) {
    const waiting: OrderNumber[] = []
    for (const number of open) {
      const poll = await pollKnown(probe, findings, number)
      if (poll !== undefined && isNotFinal(poll)) waiting.push(number)
      if (number === example && poll !== undefined) readReward(findings, poll)
    }
    open = waiting
    progress("orders with a verdict", orders.length - open.length, orders.length)
    if (open.length === 0 || performance.now() >= endMs) break
    await wait(VERDICT_INTERVAL_MS)
  }
  await probe.poll(shorter, "shorter")
  const withinS = VERDICT_TIMEOUT_MS / 1_000
  findings.explain("reward", `the order registered was not PROCESSED within ${withinS} s`)
}

function readReward(findings: Findings, poll: Poll): void {
  const { answer } = poll.observation
  if (answer.kind !== "valid" || answer.answer.kind !== "PROCESSED") return
  const { points } = answer.answer
  const expected = pointsToNumber(EXAMPLE_POINTS)
  const violation = `it earned ${pointsToNumber(points)}, not ${expected}`
  findings.add([findingOf(poll, "reward", points === EXAMPLE_POINTS ? undefined : violation)])
}

async function meetLimit(
  probe: Probe,
  findings: Findings,
  { limitWithin, progress }: ConformanceOptions,
): Promise<void> {
  const number = makeUpNumber()
  for (let i = 0; i < limitWithin; i++) {
    if (findings.has("limit") || findings.isStopped) return
    progress("polls made to be refused", i + 1, limitWithin)
    await probe.poll(number, "unknown")
  }
  if (limitWithin === 0 || findings.has("limit")) return
  const reason = `it refused none of ${limitWithin} polls: give --limit-within more`
  for (const check of ["limit", "retry_after", "limit_sentence", "limit_ends"] as const) {
    findings.explain(check, reason)
  }
}

function isVerdict({ observation: { answer } }: Poll): boolean {
  if (answer.kind !== "valid") return false
  return answer.answer.kind === "PROCESSED" || answer.answer.kind === "INVALID"
}

function isNotFinal({ observation: { answer } }: Poll): boolean {
  return answer.kind === "valid" && answer.answer.kind === "NOT_FINAL"
}

function wordsOf({ observation: { answer } }: Poll): string {
  if (answer.kind !== "valid") return answer.kind
  const { answer: valid } = answer
  return valid.kind === "PROCESSED" ? `PROCESSED ${pointsToNumber(valid.points)}` : valid.kind
}
