import { queuePauseMs } from "@gofermart/shared/queue/backend.ts"
import { measureBacklog } from "@gofermart/shared/queue/backlog.ts"
import type { AccrualQueue } from "@gofermart/shared/queue/poll-job.ts"
import type { Readiness } from "@gofermart/shared/readiness/readiness.ts"
import { withTimeout } from "@gofermart/shared/runtime/with-timeout.ts"
import type { FastifyInstance } from "fastify"
import { Gauge } from "prom-client"
import type { ScoringPacer } from "../pacing/pacer.ts"
import { isHoldingBack } from "../pacing/snapshot.ts"

const pollsUnderWay = new Gauge({
  name: "gofermart_polls_under_way",
  help: "Polls that this worker has begun and not ended.",
})

/** For the queue to say whether anything is due. */
const DEADLINE_MS = 2_000
/** Anybody may ask whether a worker gets on, as often as they like; the queue is asked no oftener. */
const LOOK_INTERVAL_MS = 1_000

/**
 * Knows whether a worker gets on: it ends what it has begun, and begins what is due. A process that
 * answers and does neither is to be restarted; one whose queue is away or takes no writes, or that a
 * pause holds, is not.
 */
export class Progress {
  readonly #queue: AccrualQueue
  readonly #readiness: Pick<Readiness, "queue">
  readonly #pacer: Pick<ScoringPacer, "snapshot">
  readonly #timeoutMs: number
  #underWay = 0
  #advancedAt = performance.now()
  #idleUntil = performance.now()
  #look: Promise<boolean> | undefined

  constructor(
    queue: AccrualQueue,
    readiness: Pick<Readiness, "queue">,
    pacer: Pick<ScoringPacer, "snapshot">,
    timeoutMs: number,
  ) {
    this.#queue = queue
    this.#readiness = readiness
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

  /**
   * Rejects when the queue does not answer in time. Whoever asks meanwhile gets the same answer, and so
   * does whoever asks soon after one that the queue has given.
   */
  isStuck(): Promise<boolean> {
    this.#look ??= this.#lookOnce()
    return this.#look
  }

  async #lookOnce(): Promise<boolean> {
    let keptMs = 0
    try {
      const isStuck = await this.#isStuck()
      keptMs = LOOK_INTERVAL_MS
      return isStuck
    } finally {
      setTimeout(() => (this.#look = undefined), keptMs).unref()
    }
  }

  async #isStuck(): Promise<boolean> {
    if (this.#underWay === 0) {
      const isWorkDue = await withTimeout(this.#isWorkDue(), DEADLINE_MS, "no answer")
      if (!isWorkDue) this.#idleUntil = performance.now()
    }
    const since = Math.max(this.#advancedAt, this.#idleUntil)
    return performance.now() - since > this.#timeoutMs
  }

  #advance(polls: 1 | -1): void {
    this.#underWay += polls
    this.#advancedAt = performance.now()
    pollsUnderWay.set(this.#underWay)
  }

  async #isWorkDue(): Promise<boolean> {
    const { failures, reason } = await this.#readiness.queue()
    // To begin a poll is to write.
    if (reason !== undefined) return false
    if (failures > 0) throw new Error("the queue did not answer")
    if ((await queuePauseMs(this.#queue)) > 0) return false
    // Under a low limit the others may have taken all that is allowed.
    if (isHoldingBack(this.#pacer.snapshot(), this.#timeoutMs)) return false
    const { due } = await measureBacklog(this.#queue, Date.now())
    return due > 0
  }
}

/**
 * `/healthz` on the operators' server: 503 when the worker does not get on. A database or a queue that
 * cannot be written is said, with 200: a restart heals neither. It tells nothing of anybody, and what
 * asks it has no credentials.
 */
export function healthRoute(
  app: FastifyInstance,
  progress: Progress,
  readiness: Pick<Readiness, "describe">,
): void {
  app.get("/healthz", { config: { isOpen: true } }, async (_request, reply) => {
    const isStuck = await progress.isStuck().catch(() => undefined)
    const ready = await readiness.describe()
    if (isStuck === true) return reply.code(503).send({ status: "stuck", ...ready })
    if (ready.database !== "ok") return { status: "database unavailable", ...ready }
    const isQueueAway = isStuck === undefined || ready.queue !== "ok"
    return { status: isQueueAway ? "queue unavailable" : "alive", ...ready }
  })
}
