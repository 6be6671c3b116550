import { createBullBoard } from "@bull-board/api"
import { BullMQAdapter } from "@bull-board/api/bullMQAdapter"
import { FastifyAdapter } from "@bull-board/fastify"
import type { Database } from "@gofermart/shared/db/client.ts"
import { type AccrualQueue, readPollPayload } from "@gofermart/shared/queue/poll-job.ts"
import type { FastifyInstance } from "fastify"
import { LRUCache } from "lru-cache"

const LOGINS_KEPT_MAX = 10_000

/** Adds a Bull Board of the accrual queue to the operators' server. */
export async function showBoard(
  app: FastifyInstance,
  { queue, database, isReadOnly }: { queue: AccrualQueue; database: Database; isReadOnly: boolean },
): Promise<void> {
  const board = new FastifyAdapter()
  createBullBoard({
    queues: [new AccrualAdapter(queue, database, isReadOnly)],
    serverAdapter: board,
    // The other tab of a failed job is the stack of an error that is no defect.
    options: { uiConfig: { boardTitle: "Gofermart", jobDetails: { defaultTab: "Data" } } },
  })
  await app.register(board.registerPlugin())
}

/** Shows jobs as an operator thinks of them: whose order it is, and what was last answered. */
class AccrualAdapter extends BullMQAdapter {
  readonly #database: Database
  readonly #logins = new LRUCache<string, string>({ max: LOGINS_KEPT_MAX })

  constructor(queue: AccrualQueue, database: Database, isReadOnly: boolean) {
    super(queue as never, {
      readOnlyMode: isReadOnly,
      description: "One job is one order that the scoring system is asked about.",
      externalJobUrl: ({ data }) => ({
        displayText: "Order",
        href: `/orders/${readPollPayload(data)?.number ?? "none"}`,
      }),
    })
    this.#database = database
    this.setFormatter("name", ({ name, data }) => {
      const payload = readPollPayload(data)
      return payload === undefined ? name : `order ${payload.number}`
    })
    this.setFormatter("data", (data) => this.#describe(data))
  }

  override async getJob(id: string) {
    const job = await super.getJob(id)
    if (job !== undefined) await this.#learnLogins([job])
    return job
  }

  override async getJobs(...args: Parameters<BullMQAdapter["getJobs"]>) {
    const jobs = await super.getJobs(...args)
    await this.#learnLogins(jobs)
    return jobs
  }

  /** The payload's own fields stay as they are: the board can put an edited payload back. */
  #describe(data: unknown): unknown {
    const payload = readPollPayload(data)
    // The board lets anything be added, and has to show it.
    if (payload === undefined) return data
    const { dueAt, brokenSince, number } = payload
    return {
      user: this.#logins.get(number),
      ...payload,
      ...(dueAt === undefined ? {} : { due: new Date(dueAt).toISOString() }),
      ...(brokenSince === undefined ? {} : { unusableSince: new Date(brokenSince).toISOString() }),
    }
  }

  /** A job names its order alone; the database knows whose it is. */
  async #learnLogins(jobs: { data: unknown }[]): Promise<void> {
    const numbers = jobs.flatMap(({ data }) => {
      const payload = readPollPayload(data)
      return payload === undefined || this.#logins.has(payload.number) ? [] : [payload.number]
    })
    if (numbers.length === 0) return
    // Without the database the jobs are shown without their customers.
    const read = this.#database.order.findMany({
      where: { number: { in: numbers } },
      select: { number: true, user: { select: { login: true } } },
    })
    const orders = await read.catch(() => [])
    for (const { number, user } of orders) this.#logins.set(number, user.login)
  }
}
