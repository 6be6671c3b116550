import type { Logger } from "@gofermart/shared/runtime/logger.ts"
import type { Refusal } from "./learned-limit.ts"
import type { OutageWatch } from "./outage-watch.ts"
import { learnFromRefusal, type PaceChange, reportAnswers } from "./pace-changes.ts"
import { UnreportedAnswers } from "./tally.ts"

/** Counts this worker's answers for the fleet, which learns the scoring system's limit from them. */
export class AnswerReports {
  readonly #outages: OutageWatch
  readonly #logger: Logger
  readonly #answers = new UnreportedAnswers()

  constructor(outages: OutageWatch, logger: Logger) {
    this.#outages = outages
    this.#logger = logger
  }

  /** A call was answered, in so many milliseconds, and not refused. */
  count(answerMs: number): void {
    this.#answers.add({ calls: 1, answerMs })
  }

  /** Reports the answers since the last report, and reads what the others have reported. */
  async report(): Promise<void> {
    const tally = this.#answers.take()
    try {
      await this.#outages.change(reportAnswers(tally))
    } catch (error) {
      this.#answers.add(tally)
      this.#logger.debug({ err: error }, "the pace could not be looked up")
    }
  }

  /** What the fleet learns from a refusal, and from the answers before it, which are reported with it. */
  takeRefusal(refusal: Refusal): PaceChange {
    return learnFromRefusal(refusal, this.#answers.take().calls)
  }
}
