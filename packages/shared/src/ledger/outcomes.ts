/** What came of the inputs of one call, when nearly all come to the same. */
export interface Outcomes<Outcome> {
  /** How many came to the usual. */
  usual: number
  /** What the others came to, by position in the call, from 1; null when there are none. */
  others: Record<number, Outcome> | null
}

/**
 * One outcome per input, in their order. Rows cost time on their way from the database, so those
 * that say what nearly all do are only counted there. Throws when an input has none: it must not
 * pass for a success.
 */
export function outcomesOf<Outcome>(
  inputs: unknown[],
  usual: Outcome,
  told: Outcomes<Outcome>,
): Outcome[] {
  const others = told.others ?? {}
  if (told.usual + Object.keys(others).length !== inputs.length) {
    throw new Error("a function of the ledger must give an outcome for each input")
  }
  return inputs.map((_input, i) => others[i + 1] ?? usual)
}

/**
 * The outcome, which must be one of the known. Throws for another: a function of a newer release
 * gave it, and what it means must not be guessed.
 */
export function knownOutcome<Outcome extends string>(
  known: readonly Outcome[],
  outcome: string,
): Outcome {
  const found = known.find((each) => each === outcome)
  if (found === undefined) {
    throw new Error(`a function of the ledger gave the outcome ${outcome}, which is not known here`)
  }
  return found
}
