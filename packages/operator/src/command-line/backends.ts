import { type Database, openDatabase } from "@gofermart/shared/db/client.ts"
import { openScoringClient, type ScoringClient } from "@gofermart/scoring-client/client.ts"
import { readScoring } from "@gofermart/scoring-client/settings.ts"
import { openAccrualQueue } from "@gofermart/shared/queue/backend.ts"
import { isShared } from "@gofermart/shared/db/connection.ts"
import { connectionRules, readConnections } from "@gofermart/shared/queue/connection-settings.ts"
import type { AccrualQueue } from "@gofermart/shared/queue/poll-job.ts"
import { printable } from "@gofermart/shared/domain/printable.ts"
import { expectAnswer } from "@gofermart/shared/db/expect-answer.ts"
import { readEnv, type Rule, toMs } from "@gofermart/shared/runtime/env.ts"
import { createLogger } from "@gofermart/shared/runtime/logger.ts"
import { Type } from "typebox"
import { withTimeout } from "@gofermart/shared/runtime/with-timeout.ts"
import { allSettings, Schema, ScoringSchema } from "../settings.ts"

/** Exit codes beside 0. */
export const EXIT_NOT_RIGHT = 1
export const EXIT_FAILED = 2

/** Of one statement; the longest reads the histories of a page of users. */
const STATEMENT_TIMEOUT_MS = 600_000
export const CONNECT_TIMEOUT_MS = 10_000
const QUEUE_TIMEOUT_MS = 10_000

/** The pooler passes on no limit for the longer statements of commands. */
const LONG_STATEMENTS: Rule<{ DATABASE_URL: string }> = {
  of: ["DATABASE_URL"],
  isKept: ({ DATABASE_URL: url }) => !isShared(url),
  says: "DATABASE_URL must lead past the pooler in transaction mode: the statements of commands take longer than the services'",
}

/** Prints a line. What it tells of others, such as a login, does not steer the terminal. */
export function say(line: string): void {
  process.stdout.write(`${printable(line)}\n`)
}

/** What a command works on, opened when it is first asked for. */
export class Backends {
  readonly leaseMs: number
  readonly database: Database
  readonly #env: NodeJS.ProcessEnv
  readonly #databaseUrl: string
  readonly #queueUrl: string
  #queue: AccrualQueue | undefined

  /** Throws a `ConfigError` when a setting is not usable that such a command needs. */
  constructor(env: NodeJS.ProcessEnv, pollsScoring: boolean) {
    this.#env = env
    if (pollsScoring) {
      readEnv(Type.Object(allSettings), env, connectionRules)
    }
    const read = readEnv(Schema, env, [...connectionRules, LONG_STATEMENTS])
    const { databaseUrl, queueUrl } = readConnections(read)
    this.leaseMs = toMs(read.REQUEUE_LEASE_MIN)
    this.#databaseUrl = databaseUrl
    this.#queueUrl = queueUrl
    this.database = openDatabase(databaseUrl, "gofermart-operator", {
      connectionsMax: 1,
      connectTimeoutMs: CONNECT_TIMEOUT_MS,
      statementTimeoutMs: STATEMENT_TIMEOUT_MS,
    })
  }

  /**
   * Rejects when the database does not answer; with a `ConfigError` when it answers that it will not
   * do with these settings.
   */
  async expectDatabase(): Promise<void> {
    await expectAnswer(this.#databaseUrl, CONNECT_TIMEOUT_MS)
  }

  /** Rejects when the queue does not answer. */
  async queue(): Promise<AccrualQueue> {
    this.#queue ??= await withTimeout(
      openReady(this.#queueUrl),
      QUEUE_TIMEOUT_MS,
      "The queue does not answer.",
    )
    return this.#queue
  }

  /**
   * A client of the scoring system for one poll at a time, which its opener closes. Throws a
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
