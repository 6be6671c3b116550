import { setTimeout as sleep } from "node:timers/promises"
import type { FastifyReply } from "fastify"
import { setRateLimitHeaders } from "../http/rate-limit-headers.ts"
import { sendProblem } from "../http/problems.ts"
import { type CountedNetwork, NetworkCounts } from "../watch/network-counts.ts"

const RETRY_AFTER_S = 1
/** Of all networks; one more is refused at once. */
const HELD_BACK_MAX = 1_000

/**
 * Bounds, for each network, the requests under way that hash a password. They wait for one another, and
 * others do not wait for them. A refusal is held back for as long as its client is asked to wait: one who
 * does not wait would keep this process busy with refusals.
 */
export class LoginsAtOnce {
  readonly #underWay: NetworkCounts
  #heldBack = 0

  constructor(perNetworkMax: number) {
    this.#underWay = new NetworkCounts(perNetworkMax)
  }

  /**
   * Has the request handled, or refuses it when one of its networks has as many under way as it may
   * have.
   */
  async handle(
    reply: FastifyReply,
    networks: readonly CountedNetwork[],
    handle: () => Promise<FastifyReply>,
  ): Promise<FastifyReply> {
    const full = this.#underWay.fullOf(networks)
    if (full !== undefined) {
      await this.#holdBack()
      const limit = { name: "at-once", max: full.max, remaining: 0 }
      setRateLimitHeaders(reply, true, { ...limit, secondsLeft: RETRY_AFTER_S })
      return sendProblem(reply, "too_many_at_once")
    }
    this.#underWay.add(networks, 1)
    try {
      return await handle()
    } finally {
      this.#underWay.add(networks, -1)
    }
  }

  async #holdBack(): Promise<void> {
    if (this.#heldBack >= HELD_BACK_MAX) return
    this.#heldBack += 1
    await sleep(RETRY_AFTER_S * 1_000)
    this.#heldBack -= 1
  }
}
