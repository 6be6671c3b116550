import { type CheckId, CHECKS } from "./checks.ts"
import type { Seen, Finding } from "./finding.ts"

/** What became of one rule of the protocol. */
export type CheckReport = { check: CheckId; title: string } & (
  | { verdict: "honoured"; seen: Seen; client: string }
  | { verdict: "violated"; violation: string; seen: Seen; client: string }
  | { verdict: "not_seen"; reason: string }
)

export interface Report {
  url: string
  honoured: number
  violated: number
  notSeen: number
  checks: CheckReport[]
}

/** Collects findings. A check once seen violated stays so; of equal findings the first is kept. */
export class Findings {
  readonly #findings = new Map<CheckId, Finding>()
  readonly #reasons = new Map<CheckId, string>()
  #stopped: string | undefined

  add(found: readonly Finding[]): void {
    for (const finding of found) {
      const known = this.#findings.get(finding.check)
      const isWorse = known?.violation === undefined && finding.violation !== undefined
      if (known === undefined || isWorse) this.#findings.set(finding.check, finding)
    }
  }

  has(check: CheckId): boolean {
    return this.#findings.has(check)
  }

  /** Says why a check was not seen, where its usual reason would be wrong. */
  explain(check: CheckId, reason: string): void {
    this.#reasons.set(check, reason)
  }

  /** Says why nothing more was polled: the reason of every check not seen until then. */
  stop(reason: string): void {
    this.#stopped ??= reason
  }

  get isStopped(): boolean {
    return this.#stopped !== undefined
  }

  report(url: string): Report {
    const checks = (Object.keys(CHECKS) as CheckId[]).map((check) => this.#reportCheck(check))
    const count = (verdict: string) => checks.filter((found) => found.verdict === verdict).length
    const [honoured, violated] = [count("honoured"), count("violated")]
    return { url, honoured, violated, notSeen: count("not_seen"), checks }
  }

  #reportCheck(check: CheckId): CheckReport {
    const { title } = CHECKS[check]
    const finding = this.#findings.get(check)
    if (finding === undefined) {
      const reason = this.#stopped ?? this.#reasons.get(check) ?? CHECKS[check].notSeen
      return { check, title, verdict: "not_seen", reason }
    }
    const { seen, client, violation } = finding
    return violation === undefined
      ? { check, title, verdict: "honoured", seen, client }
      : { check, title, verdict: "violated", violation, seen, client }
  }
}
