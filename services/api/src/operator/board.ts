import { dirname } from "node:path"
import { fileURLToPath } from "node:url"
import { createBullBoard } from "@bull-board/api"
import { BullMQAdapter } from "@bull-board/api/bullMQAdapter"
import { FastifyAdapter } from "@bull-board/fastify"
import { batchedReads } from "@gofermart/shared/db/batched-calls.ts"
import type { Database } from "@gofermart/shared/db/client.ts"
import { printable } from "@gofermart/shared/domain/printable.ts"
import { PAGE_POLICY } from "@gofermart/shared/http/security-headers.ts"
import { type AccrualQueue, readPollPayload } from "@gofermart/shared/queue/poll-job.ts"
import { withTimeout } from "@gofermart/shared/runtime/with-timeout.ts"
import type { Batcher } from "@gofermart/shared/runtime/batcher.ts"
import type { Logger } from "@gofermart/shared/runtime/logger.ts"
import type { FastifyInstance } from "fastify"
import { boundedCache } from "@gofermart/shared/runtime/bounded-cache.ts"
import { boundBoardInput } from "./bounds.ts"
import { logActions } from "./actions.ts"

const LOGINS_KEPT_MAX = 10_000
const LOGINS_PER_READ_MAX = 100
/** A job whose customer is not known by then is shown without. */
const LOGIN_TIMEOUT_MS = 1_000

interface BoardParts {
  queue: AccrualQueue
  database: Database
  isReadOnly: boolean
  logger: Logger
}

/** Adds a Bull Board of the accrual queue to the operators' server. */
export async function showBoard(
  app: FastifyInstance,
  { queue, database, isReadOnly, logger }: BoardParts,
): Promise<void> {
  const board = new Board()
  createBullBoard({
    queues: [new AccrualAdapter(queue, database, isReadOnly)],
    serverAdapter: board,
    // The other tab of a failed job is the stack of an error that is no defect.
    options: {
      // By itself it would look beside its own code, which is built into ours.
      uiBasePath: dirname(fileURLToPath(import.meta.resolve("@bull-board/ui/package.json"))),
      uiConfig: { boardTitle: "Gofermart", jobDetails: { defaultTab: "Data" } },
    },
  })
  await app.register(async (scope) => {
    boundBoardInput(scope)
    logActions(scope, logger)
    keepPageToItself(scope)
    await scope.register(board.registerPlugin())
  })
}

/** What the board's page loads from other hosts: a font, without which it shows as well. */
const LINK_ELSEWHERE = /<link\b[^>]*\bhref="(https?:)?\/\/[^>]*>/gi

/** The board works on a network without the internet, and tells no other host who looks at it. */
function keepPageToItself(app: FastifyInstance): void {
  app.addHook("onSend", async (_request, reply, payload) => {
    const type = String(reply.getHeader("content-type"))
    if (typeof payload !== "string" || !type.startsWith("text/html")) return payload
    reply.header("content-security-policy", PAGE_POLICY)
    return payload.replaceAll(LINK_ELSEWHERE, "")
  })
}

/** What BullMQ says, in these words and in no other way. */
const RESUMED = "Cannot obliterate non-paused queue"

/** Says what the state of a job or of the queue does not allow as a conflict, not as a fault. */
class Board extends FastifyAdapter {
  override setErrorHandler(handler: Parameters<FastifyAdapter["setErrorHandler"]>[0]): this {
    return super.setErrorHandler((error) => {
      const { code, message } = error as Error & { code?: unknown }
      // BullMQ numbers its refusals, from -1 down.
      const isRefusal = (typeof code === "number" && code < 0) || message === RESUMED
      if (isRefusal) return handler(Object.assign(error, { statusCode: 409 }))
      // It decodes what is decoded already.
      const isMalformed = error instanceof URIError
      return handler(isMalformed ? Object.assign(error, { statusCode: 400 }) : error)
    })
  }
}

/** Shows jobs as an operator thinks of them: whose order it is, and what was last answered. */
class AccrualAdapter extends BullMQAdapter {
  readonly #owners: Batcher<string, string | undefined>
  readonly #logins = boundedCache<string, string>(LOGINS_KEPT_MAX)

  constructor(queue: AccrualQueue, database: Database, isReadOnly: boolean) {
    super(queue as never, {
      readOnlyMode: isReadOnly,
      description: "One job is one order that is polled.",
      externalJobUrl: ({ data }) => ({
        displayText: "Order",
        href: `/orders/${readPollPayload(data)?.number ?? "none"}`,
      }),
    })
    this.#owners = batchedReads("logins", LOGINS_PER_READ_MAX, (numbers) =>
      readLogins(database, numbers),
    )
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
    await Promise.allSettled(numbers.map((number) => this.#learnLogin(number)))
  }

  async #learnLogin(number: string): Promise<void> {
    const read = this.#owners.add(number)
    const login = await withTimeout(read, LOGIN_TIMEOUT_MS, "the login is not known yet")
    if (login !== undefined) this.#logins.set(number, printable(login))
  }
}

async function readLogins(database: Database, numbers: string[]): Promise<(string | undefined)[]> {
  const rows = await database.$queryRaw<{ number: string; login: string }[]>`
    SELECT o.number, u.login FROM orders o JOIN users u ON u.id = o.user_id
     WHERE o.number = ANY (${numbers}::text[])`
  const logins = new Map(rows.map(({ number, login }) => [number, login]))
  return numbers.map((number) => logins.get(number))
}
