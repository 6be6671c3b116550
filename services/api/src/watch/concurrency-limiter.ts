import { Counts } from "./counts.ts"
import { type CountedNetwork, NetworkCounts } from "./network-counts.ts"

/** Who holds something open. */
export interface Holder {
  userId: bigint
  networks: readonly CountedNetwork[]
}

/** What there may be at the same time. */
export interface ConcurrencyLimits {
  allMax: number
  /** Times the network's factor. */
  perNetworkMax: number
  perUserMax: number
}

/** Why there is no place. */
export type Full = "full" | "full_for_network" | "full_for_user"

/** Counts what is held open, for all, for each network and for each user, so that it stays bounded. */
export class ConcurrencyLimiter {
  readonly #limits: ConcurrencyLimits
  readonly #ofNetwork: NetworkCounts
  readonly #ofUser = new Counts<bigint>()
  #all = 0

  constructor(limits: ConcurrencyLimits) {
    this.#limits = limits
    this.#ofNetwork = new NetworkCounts(limits.perNetworkMax)
  }

  /** Whether there is a place for one more: of these networks', of this user's, and at all. */
  roomFor(holder: Holder): "yes" | Full {
    if (this.fullNetworkOf(holder) !== undefined) return "full_for_network"
    const { userId } = holder
    if (this.#ofUser.get(userId) >= this.#limits.perUserMax) return "full_for_user"
    return this.#all >= this.#limits.allMax ? "full" : "yes"
  }

  /** The first of the networks that has no place. */
  fullNetworkOf({ networks }: Holder): string | undefined {
    return this.#ofNetwork.fullOf(networks)?.name
  }

  /** Takes a place until the function it gives is called. */
  take({ userId, networks }: Holder): () => void {
    const add = (count: 1 | -1) => {
      this.#all += count
      this.#ofNetwork.add(networks, count)
      this.#ofUser.add(userId, count)
    }
    add(1)
    return () => add(-1)
  }
}
