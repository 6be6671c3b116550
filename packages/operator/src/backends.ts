import { type Database, openDatabase } from "@gofermart/shared/db/client.ts"
import { openScoringClient, type ScoringClient } from "@gofermart/scoring-client/client.ts"
import { readScoring, scoringSettings } from "@gofermart/scoring-client/settings.ts"
import { openAccrualQueue } from "@gofermart/shared/queue/backend.ts"
import type { AccrualQueue } from "@gofermart/shared/queue/poll-job.ts"
import {
  databaseUrl,
  duration,
  queueUrl,
  readEnv,
  toMs,
  withContractNames,
} from "@gofermart/shared/runtime/env.ts"
import { createLogger } from "@gofermart/shared/runtime/logger.ts"
import { Type } from "typebox"
import { inTime } from "@gofermart/shared/runtime/in-time.ts"

/** Exit codes beside 0. */
export const EXIT_NOT_RIGHT = 1
export const EXIT_FAILED = 2

/** Of one statement; the longest reads the histories of a page of users. */
const STATEMENT_TIMEOUT_MS = 600_000
const CONNECT_TIMEOUT_MS = 10_000
const QUEUE_TIMEOUT_MS = 10_000

export const Schema = Type.Object({
  DATABASE_URL: databaseUrl,
  QUEUE_URL: Type.Optional(queueUrl),
  REQUEUE_LEASE_MIN: duration("30s"),
})

/** What only asking the scoring system needs. */
export const ScoringSchema = Type.Object(scoringSettings)

export function say(line: string): void {
  process.stdout.write(`${line}\n`)
}

/** What a command works on, opened when it is first asked for. */
export class Backends {
  readonly leaseMs: number
  readonly database: Database
  readonly #env: NodeJS.ProcessEnv
  readonly #queueUrl: string
  #queue: AccrualQueue | undefined

  /** Throws a `ConfigError` when the settings are not usable. */
  constructor(env: NodeJS.ProcessEnv) {
    this.#env = withContractNames(env)
    const read = readEnv(Schema, this.#env)
    this.leaseMs = toMs(read.REQUEUE_LEASE_MIN)
    this.#queueUrl = read.QUEUE_URL ?? read.DATABASE_URL
    this.database = openDatabase(read.DATABASE_URL, "gofermart-operator", {
      connectionsMax: 1,
      connectTimeoutMs: CONNECT_TIMEOUT_MS,
      statementTimeoutMs: STATEMENT_TIMEOUT_MS,
    })
  }

  /** Rejects when the queue does not answer. */
  async queue(): Promise<AccrualQueue> {
    this.#queue ??= await inTime(
      openReady(this.#queueUrl),
      QUEUE_TIMEOUT_MS,
      "The queue does not answer.",
    )
    return this.#queue
  }

  /**
   * A client of the scoring system for one question at a time, which its opener closes. Throws a
   * `ConfigError` when the settings do not say where it is.
   */
  openScoring(): ScoringClient {
    const { url, timeoutMs } = readScoring(readEnv(ScoringSchema, this.#env))
    return openScoringClient(url, timeoutMs, 1)
  }

  async close(): Promise<void> {
    await this.database.$disconnect()
    await this.#queue?.close()
  }
}

async function openReady(url: string): Promise<AccrualQueue> {
  const queue = await openAccrualQueue(url, createLogger("operator", "silent"))
  await queue.waitUntilReady()
  return queue
}
