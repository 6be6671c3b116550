import type { Fixture } from "../fixtures/fixture.ts"
import type { Run } from "../measure/rounds.ts"

/** A comparison, as the table shows it. */
export interface Row {
  /** The number of the row, and what tells it from others of that number. */
  row: string
  what: string
  to: string
  /** Of the paired runs, in their order; none when the figure is of one side alone. */
  ratios: number[]
  target: { atLeast: number } | { atMost: number } | undefined
}

export interface Outcome {
  rows: Row[]
  /** The runs behind them, by side. */
  runs: Map<string, Run[]>
}

export interface Scenario {
  name: string
  about: string
  /** Takes longer than an ordinary run of the bench. */
  isLong: boolean
  measure(fixture: Fixture): Promise<Outcome>
}
