import { Type } from "typebox"
import { parametersOf, withPassword } from "../db/connection.ts"
import { databaseUrl } from "../db/database-url.ts"
import { hasControlCharacter, type Rule, textSetting } from "../runtime/env.ts"
import { setting } from "../runtime/setting.ts"
import { userOf } from "../runtime/url-text.ts"
import { queueUrl } from "./queue-url.ts"

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
}

interface ConnectionsRead {
  DATABASE_URL: string
  DATABASE_PASSWORD?: string
  QUEUE_URL?: string
}

export const connectionRule: Rule<{ DATABASE_URL?: string; DATABASE_PASSWORD?: string }> = {
  of: ["DATABASE_URL", "DATABASE_PASSWORD"],
  isKept: ({ DATABASE_URL: url, DATABASE_PASSWORD: password }) =>
    url === undefined || password === undefined || !hasPassword(url),
  says: "DATABASE_URL has a password: DATABASE_PASSWORD must not be set",
}

function hasPassword(url: string): boolean {
  return userOf(url).includes(":") || parametersOf(url).has("password")
}

/** The connection strings with everything in them; the queue's is the database's when it has none. */
export function readConnections(read: ConnectionsRead): { databaseUrl: string; queueUrl: string } {
  const { DATABASE_URL, DATABASE_PASSWORD, QUEUE_URL } = read
  const url =
    DATABASE_PASSWORD === undefined ? DATABASE_URL : withPassword(DATABASE_URL, DATABASE_PASSWORD)
  return { databaseUrl: url, queueUrl: QUEUE_URL ?? url }
}
