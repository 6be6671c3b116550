import { InvalidArgumentError } from "commander"

const NO_TIME =
  "A time is ISO 8601 with its zone, such as 2026-11-23T10:00:00Z, or a date, such as 2026-11-23."

/**
 * Reads a time in ISO 8601 with its zone, or a date, which begins at midnight UTC. Gives it in
 * microseconds since 1970.
 */
export function instant(text: string): bigint {
  const read = readInstant(text)
  if (read === undefined || !/^[1-9]\d{3}-/.test(read.toString())) {
    throw new InvalidArgumentError(NO_TIME)
  }
  return (
    read.round({ smallestUnit: "microsecond", roundingMode: "floor" }).epochNanoseconds / 1_000n
  )
}

/** Microseconds since 1970 as `instant` reads them, with none lost. */
export function showWholeInstant(epochUs: bigint): string {
  return Temporal.Instant.fromEpochNanoseconds(epochUs * 1_000n).toString({
    fractionalSecondDigits: 6,
  })
}

function readInstant(text: string): Temporal.Instant | undefined {
  const isDate = /^\d{4}-\d{2}-\d{2}$/.test(text)
  try {
    return Temporal.Instant.from(isDate ? `${text}T00:00:00Z` : text)
  } catch {
    return undefined
  }
}

/** Reads an option that is a count, from 1 to `max`. */
export function countTo(max: number): (text: string) => number {
  return (text) => {
    const count = /^[0-9]+$/.test(text) ? Number(text) : 0
    if (count < 1 || count > max) {
      throw new InvalidArgumentError(`It must be a whole number from 1 to ${max}.`)
    }
    return count
  }
}
