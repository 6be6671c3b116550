import type { Database } from "@gofermart/shared/db/client.ts"
import { type Counted, countedFor } from "@gofermart/shared/http/network.ts"
import type { Policy } from "./quota.ts"
import { type Attempt, Throttle } from "./throttle.ts"

/** Whose attempts one is taken from. */
interface ThrottledKey {
  throttle: Throttle
  key: string
}
export type ThrottledKeys = [ThrottledKey, ...ThrottledKey[]]

/** Limits attempts by the network that they come from, and in IPv6 by its site and its block as well. */
export class NetworkThrottle {
  readonly #database: Database
  readonly #policy: Policy
  readonly #throttles = new Map<string, Throttle>()

  constructor(database: Database, policy: Policy) {
    this.#database = database
    this.#policy = policy
  }

  /** The keys of an attempt from an address; `of` says what is counted apart from all else. */
  keys(address: string, of = ""): ThrottledKeys {
    const [network, ...wider] = countedFor(address)
    const keyOf = (counted: Counted) => ({
      throttle: this.#throttle(counted),
      key: of + counted.name,
    })
    return [keyOf(network), ...wider.map(keyOf)]
  }

  #throttle({ kind, factor }: Counted): Throttle {
    const known = this.#throttles.get(kind)
    if (known !== undefined) return known
    const { name, attemptsMax } = this.#policy
    const throttle = new Throttle(this.#database, {
      ...this.#policy,
      name: kind === "network" ? name : `${name}-${kind}`,
      attemptsMax: attemptsMax * factor,
    })
    this.#throttles.set(kind, throttle)
    return throttle
  }
}

/** Makes the attempt if each of the keys has one left, and tells how the one stands that has fewest. */
export async function attemptWithin<Result>(
  [{ throttle, key }, ...others]: ThrottledKeys,
  make: () => Promise<Result>,
  counts: (result: Result) => boolean,
): Promise<Attempt<Result>> {
  const [next, ...rest] = others
  if (next === undefined) return throttle.attempt(key, make, counts)
  const attempt = await throttle.attempt(
    key,
    () => attemptWithin([next, ...rest], make, counts),
    (ofOthers) => !ofOthers.refused && counts(ofOthers.result),
  )
  if (attempt.refused) return attempt
  const { standing, result: ofOthers } = attempt
  const isNearer = standing.remaining < ofOthers.standing.remaining
  return isNearer && !ofOthers.refused ? { ...ofOthers, standing } : ofOthers
}
