import {
  checkConformance,
  type ConformanceOptions,
} from "@gofermart/scoring-conformance/conformance.ts"
import type { Progress } from "@gofermart/scoring-conformance/probe.ts"
import { formatTable } from "@gofermart/scoring-conformance/table.ts"
import { SingleBar } from "cli-progress"
import { EXIT_FAILED, EXIT_NOT_RIGHT, say } from "./command-line/backends.ts"

export const LIMIT_WITHIN_MAX = 10_000
export const ORDERS_MAX = 100

export const ABOUT_CONFORMANCE = `tell which rules of the protocol a scoring system honours, and what our client
makes of each answer

It is polled as a worker polls: one request at a time, with GET. Without options
only about numbers made up, which it should not know. A rule that no answer
showed is "not seen", and not counted as honoured.

Needs no settings and no database.

Exit codes: 0 nothing violated; 1 something is; 2 could not be done.`

export interface ConformanceFlags extends Pick<ConformanceOptions, "orders"> {
  register?: true
  limitWithin?: number
  json?: true
}

/** Checks the scoring system, and tells what it found; how far it is goes to standard error. */
export async function checkScoringSystem(url: URL, flags: ConformanceFlags): Promise<number> {
  const bars = progressBars()
  const outcome = await checkConformance(url, {
    orders: flags.orders,
    register: flags.register ?? false,
    limitWithin: flags.limitWithin ?? 0,
    progress: bars.progress,
  }).finally(() => bars.stop())
  if (outcome.kind === "unreachable") {
    process.stderr.write(`${url.href} cannot be reached: ${outcome.reason}\n`)
    return EXIT_FAILED
  }
  const { report } = outcome
  const lines =
    flags.json === true ? JSON.stringify(report, undefined, 2).split("\n") : formatTable(report)
  for (const line of lines) say(line)
  return report.violated > 0 ? EXIT_NOT_RIGHT : 0
}

/** One bar at a time, on standard error. */
function progressBars(): { progress: Progress; stop(): void } {
  let bar: SingleBar | undefined
  let shown: string | undefined
  return {
    progress(doing, done, total) {
      if (doing !== shown) {
        bar?.stop()
        const format = `[{bar}] {value} of {total} ${doing}`
        bar = new SingleBar({ format, noTTYOutput: true, clearOnComplete: true })
        bar.start(total, done)
        shown = doing
      }
      bar?.update(done)
    },
    stop: () => bar?.stop(),
  }
}
