import { InvalidArgumentError } from "commander"

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
