import * as fc from "fast-check"
import { type Draft, TOKEN } from "../draft.ts"
import { ODD_NUMBERS, ODD_TEXTS } from "../odd.ts"

/** Something that is made different in a request. */
export interface Change {
  what: string
  make: (draft: Draft) => void
}

export type Changes = fc.Arbitrary<Change>

export function named<Drawn>(
  drawn: fc.Arbitrary<Drawn>,
  what: (drawn: Drawn) => string,
  make: (draft: Draft, drawn: Drawn) => void,
): Changes {
  return drawn.map((value) => ({ what: what(value), make: (draft) => make(draft, value) }))
}

export function always(what: string, make: (draft: Draft) => void): Changes {
  return fc.constant({ what, make })
}

export function short(text: string): string {
  const shown = text.replaceAll(TOKEN, "TOKEN")
  return JSON.stringify(shown.length > 40 ? `${shown.slice(0, 40)}…` : shown)
}

export const oddText = fc.constantFrom(...ODD_TEXTS, ...ODD_NUMBERS)
