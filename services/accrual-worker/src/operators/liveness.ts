import { queuePauseMs } from "@gofermart/shared/queue/backend.ts"
import { measureBacklog } from "@gofermart/shared/queue/backlog.ts"
import type { AccrualQueue } from "@gofermart/shared/queue/poll-job.ts"
import { inTime } from "@gofermart/shared/runtime/in-time.ts"
import type { FastifyInstance } from "fastify"
import { Gauge } from "prom-client"
import type { ScoringPacer } from "../scoring/pacer.ts"

const pollsUnderWay = new Gauge({
  name: "gofermart_polls_under_way",
  help: "Polls that this worker has begun and not ended.",
})

/**
 * Knows whether a worker gets on: it ends what it has begun, and begins what is due. A process that
 * answers and does neither is to be restarted; one whose queue is away, or that a pause holds, is
 * not.
 */
export class Progress {
  readonly #queue: AccrualQueue
  readonly #pacer: Pick<ScoringPacer, "isHoldingBack">
  readonly #timeoutMs: number
  #underWay = 0
  #advancedAt = performance.now()
  #idleUntil = performance.now()
  #look: Promise<boolean> | undefined

  constructor(queue: AccrualQueue, pacer: Pick<ScoringPacer, "isHoldingBack">, timeoutMs: number) {
    this.#queue = queue
    this.#pacer = pacer
    this.#timeoutMs = timeoutMs
  }

  /** Counts a poll from its beginning to its end. */
  async of<Result>(poll: () => Promise<Result>): Promise<Result> {
    this.#advance(1)
    try {
      return await poll()
    } finally {
      this.#advance(-1)
    }
  }

  /** Rejects when the queue does not answer. Whoever asks meanwhile gets the same answer. */
  isStuck(): Promise<boolean> {
    this.#look ??= this.#isStuck().finally(() => {
      this.#look = undefined
    })
    return this.#look
  }

  async #isStuck(): Promise<boolean> {
    if (this.#underWay === 0 && !(await this.#isWorkDue())) this.#idleUntil = performance.now()
    const since = Math.max(this.#advancedAt, this.#idleUntil)
    return performance.now() - since > this.#timeoutMs
  }

  #advance(polls: 1 | -1): void {
    this.#underWay += polls
    this.#advancedAt = performance.now()
    pollsUnderWay.set(this.#underWay)
  }

  async #isWorkDue(): Promise<boolean> {
    if ((await queuePauseMs(this.#queue)) > 0) return false
    // Under a low limit the others may have taken all that is allowed.
    if (this.#pacer.isHoldingBack(this.#timeoutMs)) return false
    const { due } = await measureBacklog(this.#queue, Date.now())
    return due > 0
  }
}

/** For the queue to say whether anything is due. */
const DEADLINE_MS = 2_000

/**
 * `/healthz` on the operators' server: 503 when the worker does not get on. It tells nothing of
 * anybody, and what asks it has no credentials.
 */
export function healthRoute(app: FastifyInstance, progress: Progress): void {
  app.get("/healthz", { config: { isOpen: true } }, async (_request, reply) => {
    const asked = inTime(progress.isStuck(), DEADLINE_MS, "no answer")
    const stuck = await asked.catch(() => undefined)
    const status = stuck === undefined ? "queue unavailable" : stuck ? "stuck" : "alive"
    return reply.code(stuck === true ? 503 : 200).send({ status })
  })
}
