import type { Contradiction } from "../db/generated/client.ts"

/** What the scoring system said against a verdict, how often, and when. */
export function describeContradiction(contradiction: Contradiction): string {
  const { times, firstSeenAt, lastSeenAt } = contradiction
  const often = times === 1 ? "once" : `${times} times, the first at ${firstSeenAt.toISOString()}`
  return `by ${describeVerdict(contradiction)} at ${lastSeenAt.toISOString()}, ${often}`
}

/** A status, and the points that only PROCESSED comes with. */
export function describeVerdict({
  status,
  value,
}: {
  status: string
  value: { toFixed(decimals: number): string } | null
}): string {
  return value === null ? status : `${status} ${value.toFixed(2)}`
}
