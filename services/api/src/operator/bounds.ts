import { Moment } from "@gofermart/shared/queue/poll-job.ts"
import type { FastifyInstance } from "fastify"
import { Type } from "typebox"

/** A year. */
const DELAY_MAX_MS = 31_536_000_000
/** The largest that BullMQ knows. */
const PRIORITY_MAX = 2_097_151
/** The most that a PostgreSQL `integer` holds. */
const COUNT_MAX = 2 ** 31 - 1

/** To 999,999 pages of 1,000 jobs: their product is a PostgreSQL `integer` as well. */
const PAGE = "^[1-9][0-9]{0,5}$"
const JOBS_PER_PAGE = "^([1-9][0-9]{0,2}|1000)$"

/** An order's number, `order-`, and some more. */
const JOB_ID_LENGTH_MAX = 300
/** What BullMQ takes for an id of its own making, or for several parts of one, is none. */
const JOB_ID = `^(?!0:)(?!-?[0-9]+$)[^:]{1,${JOB_ID_LENGTH_MAX}}$`

/** What no column of PostgreSQL holds: a NUL, and half of a pair of surrogates. */
const UNSTORABLE = /(?<!\\)(\\\\)*\\u(0000|d[89a-f][0-9a-f]{2})/

const Count = Type.Integer({ minimum: 0, maximum: COUNT_MAX })
const Delay = Type.Integer({ minimum: 0, maximum: DELAY_MAX_MS })
const Kept = Type.Union([
  Type.Boolean(),
  Count,
  Type.Object(
    { count: Type.Optional(Count), age: Type.Optional(Count), limit: Type.Optional(Count) },
    { additionalProperties: false },
  ),
])

/** The options that a job may be given, which are those that the system's own jobs have and those of the form. */
const JobOptions = Type.Object(
  {
    jobId: Type.Optional(Type.String({ pattern: JOB_ID })),
    delay: Type.Optional(Delay),
    timestamp: Type.Optional(Moment),
    priority: Type.Optional(Type.Integer({ minimum: 0, maximum: PRIORITY_MAX })),
    attempts: Type.Optional(Count),
    lifo: Type.Optional(Type.Boolean()),
    // An exponential one passes what a date can be after some forty failures.
    backoff: Type.Optional(
      Type.Union([
        Delay,
        Type.Object(
          {
            type: Type.Enum(["fixed", "custom"], { type: "string" }),
            delay: Type.Optional(Delay),
            jitter: Type.Optional(Type.Number({ minimum: 0, maximum: 1 })),
          },
          { additionalProperties: false },
        ),
      ]),
    ),
    deduplication: Type.Optional(
      Type.Object(
        {
          id: Type.String({ minLength: 1, maxLength: JOB_ID_LENGTH_MAX }),
          ttl: Type.Optional(Delay),
          extend: Type.Optional(Type.Boolean()),
          replace: Type.Optional(Type.Boolean()),
          keepLastIfActive: Type.Optional(Type.Boolean()),
        },
        { additionalProperties: false },
      ),
    ),
    keepLogs: Type.Optional(Count),
    removeOnComplete: Type.Optional(Kept),
    removeOnFail: Type.Optional(Kept),
    stackTraceLimit: Type.Optional(Count),
    telemetry: Type.Optional(Type.Object({})),
  },
  { additionalProperties: false },
)

/** What the numbers that a route of the board takes may be, as far as the queue can hold them. */
const SCHEMAS: Record<string, object> = {
  "/api/queues": {
    querystring: Type.Object({
      page: Type.Optional(Type.String({ pattern: PAGE })),
      jobsPerPage: Type.Optional(Type.String({ pattern: JOBS_PER_PAGE })),
    }),
  },
  "/api/queues/:queueName/add": {
    body: Type.Object({
      options: Type.Optional(JobOptions),
    }),
  },
  "/api/queues/:queueName/:jobId/delay": { body: Type.Object({ runAt: Moment }) },
  "/api/queues/:queueName/concurrency": { body: Type.Object({ concurrency: Count }) },
  "/api/queues/:queueName/rate-limit": {
    body: Type.Object({
      max: Type.Optional(Type.Union([Count, Type.Null()])),
      duration: Type.Optional(Type.Union([Count, Type.Null()])),
    }),
  },
}

/**
 * Makes the board, which is to be added afterwards, refuse numbers, options and text that it would
 * hand to the queue as they are: the queue's database fails at them, or keeps them and fails for every
 * worker.
 */
export function boundBoardInput(app: FastifyInstance): void {
  app.addHook("preValidation", async ({ params, query, body }, reply) => {
    if (!UNSTORABLE.test(JSON.stringify([params, query, body]))) return undefined
    return reply.code(400).send({ error: "A text has a character that cannot be stored." })
  })
  app.addHook("onRoute", (route) => {
    const schema = SCHEMAS[route.url]
    if (schema !== undefined) route.schema = { ...route.schema, ...schema }
  })
}
