import { type PartId, PARTS } from "./parts.ts"
import type { Seen, Sign } from "./sign.ts"

/** What became of one part of the protocol. */
export type PartReport = { part: PartId; title: string } & (
  | { verdict: "honoured"; seen: Seen; client: string }
  | { verdict: "violated"; violation: string; seen: Seen; client: string }
  | { verdict: "not_seen"; reason: string }
)

export interface Report {
  url: string
  honoured: number
  violated: number
  notSeen: number
  parts: PartReport[]
}

/** Collects signs. A part once seen violated stays so; of equal signs the first is kept. */
export class Findings {
  readonly #signs = new Map<PartId, Sign>()
  readonly #reasons = new Map<PartId, string>()
  #stopped: string | undefined

  add(signs: readonly Sign[]): void {
    for (const sign of signs) {
      const known = this.#signs.get(sign.part)
      const isWorse = known?.violation === undefined && sign.violation !== undefined
      if (known === undefined || isWorse) this.#signs.set(sign.part, sign)
    }
  }

  has(part: PartId): boolean {
    return this.#signs.has(part)
  }

  /** Says why a part was not seen, where its usual reason would be wrong. */
  explain(part: PartId, reason: string): void {
    this.#reasons.set(part, reason)
  }

  /** Says why nothing more was asked: the reason of every part not seen until then. */
  stop(reason: string): void {
    this.#stopped ??= reason
  }

  get isStopped(): boolean {
    return this.#stopped !== undefined
  }

  report(url: string): Report {
    const parts = (Object.keys(PARTS) as PartId[]).map((part) => this.#reportPart(part))
    const count = (verdict: string) => parts.filter((part) => part.verdict === verdict).length
    const [honoured, violated] = [count("honoured"), count("violated")]
    return { url, honoured, violated, notSeen: count("not_seen"), parts }
  }

  #reportPart(part: PartId): PartReport {
    const { title } = PARTS[part]
    const sign = this.#signs.get(part)
    if (sign === undefined) {
      const reason = this.#stopped ?? this.#reasons.get(part) ?? PARTS[part].notSeen
      return { part, title, verdict: "not_seen", reason }
    }
    const { seen, client, violation } = sign
    return violation === undefined
      ? { part, title, verdict: "honoured", seen, client }
      : { part, title, verdict: "violated", violation, seen, client }
  }
}
