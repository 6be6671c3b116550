import { printable } from "../domain/printable.ts"

const NAME_LENGTH_MAX = 100

/** A name that a client made up, as a sentence to that client may have it. */
export function shownName(name: string): string {
  const isLong = name.length > NAME_LENGTH_MAX
  return isLong ? `${printable(name.slice(0, NAME_LENGTH_MAX))}…` : printable(name)
}
