import { Type } from "typebox"
import { isShared, parametersOf, withPassword } from "../db/connection.ts"
import { databaseUrl } from "../db/database-url.ts"
import { hasControlCharacter, type Rule, textSetting } from "../runtime/env.ts"
import { setting } from "../runtime/setting.ts"
import { userOf } from "../runtime/url-text.ts"
import { queueUrl } from "./queue-url.ts"
import {
  DEFAULT_PREFIX,
  hasPrefix,
  isRedisUrl,
  whatIsWrongInPrefix,
  withPrefix,
} from "./redis-url.ts"

/** How a program finds the database and the queue; read them with `readConnections`. */
export const connectionSettings = {
  DATABASE_URL: databaseUrl,
  DATABASE_PASSWORD: setting(
    Type.Optional(
      textSetting({ description: "a password without control characters" }, (given) =>
        hasControlCharacter(given) ? "it has one" : undefined,
      ),
    ),
    {
      purpose: "the password for a DATABASE_URL that has none",
      fallback: "the one in DATABASE_URL",
      secret: true,
    },
  ),
  QUEUE_URL: Type.Optional(queueUrl),
  QUEUE_PREFIX: setting(
    Type.Optional(
      textSetting({ description: "letters, digits, _, . and -, at most 64" }, whatIsWrongInPrefix),
    ),
    {
      purpose: "what the keys of the queue begin with, for several installations in one Redis",
      fallback: `prefix= in QUEUE_URL, or ${DEFAULT_PREFIX}`,
    },
  ),
}

interface ConnectionsRead {
  DATABASE_URL: string
  DATABASE_PASSWORD?: string
  QUEUE_URL?: string
  QUEUE_PREFIX?: string
}

export const connectionRules: Rule<Partial<ConnectionsRead>>[] = [
  {
    of: ["DATABASE_URL", "DATABASE_PASSWORD"],
    isKept: ({ DATABASE_URL: url, DATABASE_PASSWORD: password }) =>
      url === undefined || password === undefined || !hasPassword(url),
    says: "DATABASE_URL has a password: DATABASE_PASSWORD must not be set",
  },
  {
    of: ["DATABASE_URL", "QUEUE_URL"],
    isKept: ({ DATABASE_URL: database, QUEUE_URL: queue = database }) =>
      queue === undefined || isRedisUrl(queue) || !isShared(queue),
    says: "QUEUE_URL must name a Redis, or a PostgreSQL without a pooler in transaction mode between: workers listen there for new jobs",
  },
  {
    of: ["QUEUE_URL", "QUEUE_PREFIX"],
    isKept: ({ QUEUE_URL: url, QUEUE_PREFIX: prefix }) =>
      prefix === undefined || (url !== undefined && isRedisUrl(url)),
    says: "QUEUE_PREFIX is for a queue in Redis, and QUEUE_URL names none: an installation in PostgreSQL has its own schema",
  },
  {
    of: ["QUEUE_URL", "QUEUE_PREFIX"],
    isKept: ({ QUEUE_URL: url, QUEUE_PREFIX: prefix }) =>
      url === undefined || prefix === undefined || !hasPrefix(url),
    says: "QUEUE_URL has a prefix: QUEUE_PREFIX must not be set",
  },
]

function hasPassword(url: string): boolean {
  return userOf(url).includes(":") || parametersOf(url).has("password")
}

/** The connection strings with everything in them; the queue's is the database's when it has none. */
export function readConnections(read: ConnectionsRead): { databaseUrl: string; queueUrl: string } {
  const { DATABASE_URL, DATABASE_PASSWORD } = read
  const url =
    DATABASE_PASSWORD === undefined ? DATABASE_URL : withPassword(DATABASE_URL, DATABASE_PASSWORD)
  return { databaseUrl: url, queueUrl: readQueueUrl(read) ?? url }
}

/** The queue's connection string with everything in it, where one is given. */
export function readQueueUrl({
  QUEUE_URL,
  QUEUE_PREFIX,
}: Omit<ConnectionsRead, "DATABASE_URL">): string | undefined {
  if (QUEUE_URL === undefined || QUEUE_PREFIX === undefined) return QUEUE_URL
  return withPrefix(QUEUE_URL, QUEUE_PREFIX)
}
