import { PostgresQueueBackend } from "bullmq"
import { Redis } from "ioredis"
import type { Pool } from "pg"
import type { TableRight } from "../db/needed-rights.ts"
import type { AccrualQueue } from "../queue/poll-job.ts"
import { askPostgres } from "./ask-postgres.ts"
import { redisWrite } from "./ask-redis.ts"

/** BullMQ adds a job, moves it, and removes it. */
const RIGHTS = ["INSERT", "UPDATE", "DELETE"] as const

/** Gives what asks the queue's server to take a write, on a connection of the queue's own. */
export function queueWrite(queue: AccrualQueue): () => Promise<void> {
  const { connection, prefix } = queue.opts
  if (connection instanceof Redis && prefix !== undefined) return redisWrite(connection, prefix)
  const backend: unknown = queue.backend
  if (!(backend instanceof PostgresQueueBackend)) throw new Error("the queue's backend is unknown")
  const { pool, schema } = backend.connection
  const rights = RIGHTS.map((right): TableRight => [`"${schema}".job`, right])
  // BullMQ types only the part of it that it uses.
  return () => askPostgres(pool as unknown as Pool, rights)
}
