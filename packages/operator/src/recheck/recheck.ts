import type { ScoringClient } from "@gofermart/scoring-client/client.ts"
import type { Database } from "@gofermart/shared/db/client.ts"
import { reasonOf } from "@gofermart/shared/runtime/reason-of.ts"
import { SingleBar } from "cli-progress"
import { showWholeInstant } from "../command-line/arguments.ts"
import { type Backends, EXIT_FAILED, EXIT_NOT_RIGHT, say } from "../command-line/backends.ts"
import { Findings } from "./findings.ts"
import { RateLimitedClient } from "./rate-limited-client.ts"
import { countSettledOrders, settledOrders, type SettledRange } from "./settled-orders.ts"

/** Requests a minute: a small part of what a scoring system answers the workers. */
export const PACE_DEFAULT = 60
export const PACE_MAX = 600
export const ORDERS_POLLED_DEFAULT = 1_000
export const ORDERS_POLLED_MAX = 100_000

export interface RecheckOptions extends SettledRange {
  /** Requests a minute. */
  pace: number
  /** How many orders to poll. */
  limit: number
}

/** Why it ended before the end of the range; `at`: when the first order left out was settled. */
interface EarlyEnd {
  reason: string
  /** In microseconds since 1970. */
  at: bigint
  isFailure: boolean
}

/**
 * Polls settled orders again, by the time of their settling, and tells what
 * it does not answer as they are settled. It reads only: neither a row nor a job is written.
 */
export async function recheck(backends: Backends, options: RecheckOptions): Promise<number> {
  const scoring = backends.openScoring()
  const interruption = new AbortController()
  const interrupt = () => {
    interruption.abort()
    // Also ends the poll that is under way.
    scoring.close()
  }
  process.once("SIGINT", interrupt).once("SIGTERM", interrupt)
  try {
    return await recheckWith(backends, options, scoring, interruption.signal)
  } finally {
    process.off("SIGINT", interrupt).off("SIGTERM", interrupt)
    scoring.close()
  }
}

async function recheckWith(
  { database }: Backends,
  options: RecheckOptions,
  scoring: ScoringClient,
  signal: AbortSignal,
): Promise<number> {
  const findings = new Findings()
  const total = Math.min(await countSettledOrders(database, options), options.limit)
  const bar = new SingleBar({
    format: "[{bar}] {value} of {total} orders",
    clearOnComplete: true,
    // It would end the bar alone, and Ctrl-C is to end more.
    gracefulExit: false,
  })
  const client = new RateLimitedClient({
    database,
    scoring,
    requestsPerMinute: options.pace,
    signal,
    tell(line) {
      bar.stop()
      say(line)
      bar.start(total, findings.polled)
    },
  })
  bar.start(total, 0)
  const report = () => bar.update(findings.polled)
  const early = await compareAll(database, client, options, findings, report)
  bar.stop()
  for (const line of findings.lines()) say(line)
  if (early !== undefined)
    say(`Ended early: ${early.reason}. To go on: --from ${showWholeInstant(early.at)}`)
  return exitCode(findings, early)
}

async function compareAll(
  database: Database,
  client: RateLimitedClient,
  options: RecheckOptions,
  findings: Findings,
  report: () => void,
): Promise<EarlyEnd | undefined> {
  let at = options.from
  try {
    for await (const order of settledOrders(database, options)) {
      at = order.settledAtUs
      if (findings.polled === options.limit) {
        return { reason: `--limit ${options.limit} is reached`, at, isFailure: false }
      }
      const result = await client.poll(order.number)
      if (result.kind === "stopped") return { reason: result.reason, at, isFailure: true }
      findings.add(order, result)
      report()
    }
    return undefined
  } catch (error) {
    // What was found so far took its time. Prisma says what failed in the last line of many.
    const message = reasonOf(error)
    return { reason: message.trim().split("\n").at(-1) ?? message, at, isFailure: true }
  }
}

function exitCode(findings: Findings, early: EarlyEnd | undefined): number {
  if (early?.isFailure === true) return EXIT_FAILED
  if (findings.differences > 0) return EXIT_NOT_RIGHT
  // Nobody can say that they are the same.
  return findings.unusable > 0 ? EXIT_FAILED : 0
}
