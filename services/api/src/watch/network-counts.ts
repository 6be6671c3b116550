import type { Counted } from "@gofermart/shared/http/network.ts"
import { Counts } from "./counts.ts"

/** What is counted for; see `atOnceFor`. */
export type CountedNetwork = Pick<Counted, "name" | "factor">

/** Counts what is under way in each network, so that it stays bounded. */
export class NetworkCounts {
  readonly #perNetworkMax: number
  readonly #underWay = new Counts<string>()

  /** `perNetworkMax`: times a network's factor, what it may have under way. */
  constructor(perNetworkMax: number) {
    this.#perNetworkMax = perNetworkMax
  }

  /** The first of the networks that has no room for one more, and how many it may have. */
  fullOf(networks: readonly CountedNetwork[]): { name: string; max: number } | undefined {
    return networks
      .map(({ name, factor }) => ({ name, max: this.#perNetworkMax * factor }))
      .find(({ name, max }) => this.#underWay.get(name) >= max)
  }

  /** Counts one that begins, or ends, in all of the networks. */
  add(networks: readonly CountedNetwork[], count: 1 | -1): void {
    for (const { name } of networks) this.#underWay.add(name, count)
  }
}
