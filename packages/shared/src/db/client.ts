import { createHash } from "node:crypto"
import { connectionBy, isShared, schemaOf } from "./connection.ts"
import { DatelessPg } from "./dateless-pg.ts"
import { Prisma, PrismaClient } from "./generated/client.ts"
import { measurePool } from "./measure-pool.ts"
import { openPool } from "./pool.ts"
import { limitStatements } from "./time-limit.ts"

/** What a raw statement takes for a value: no `Date`, since an instant is a number there. */
export type SqlValue = string | number | bigint | boolean | null | Prisma.Sql | readonly SqlValue[]

/** Raw statements, by text with values in it, or by text with `$1` and so on. */
interface RawStatements {
  $queryRaw<Rows>(
    text: TemplateStringsArray | Prisma.Sql,
    ...values: SqlValue[]
  ): Prisma.PrismaPromise<Rows>
  $executeRaw(
    text: TemplateStringsArray | Prisma.Sql,
    ...values: SqlValue[]
  ): Prisma.PrismaPromise<number>
  $queryRawUnsafe<Rows>(text: string, ...values: SqlValue[]): Prisma.PrismaPromise<Rows>
  $executeRawUnsafe(text: string, ...values: SqlValue[]): Prisma.PrismaPromise<number>
}

export type Database = Omit<PrismaClient, keyof RawStatements> & RawStatements

/** Makes a part of a raw query, its values kept apart from its text. */
export const sql: (text: TemplateStringsArray, ...values: SqlValue[]) => Prisma.Sql = Prisma.sql

export interface DatabaseLimits {
  connectionsMax: number
  /** A request that gets no connection in this time fails. */
  connectTimeoutMs: number
  /** The server cancels a statement after this time. */
  statementTimeoutMs: number
}

/** The client gives the server this much longer than the server gives the statement. */
const ANSWER_MARGIN_MS = 2_000

/** Of silence, after which the other side of a connection is asked whether it is there. */
const KEEP_ALIVE_MS = 10_000

/** Different statements that a process has its connections keep prepared; further ones are not. */
const STATEMENTS_PREPARED_MAX = 200

/**
 * Opens the typed client on a pool of connections; nothing is connected before the first query.
 * Every wait in it is bounded, so that a database which is away, or silent, fails requests
 * instead of collecting them.
 */
export function openDatabase(
  databaseUrl: string,
  applicationName: string,
  limits: DatabaseLimits,
): Database {
  const options = connectionOptions(databaseUrl, applicationName, limits)
  const isSharedByOthers = isShared(databaseUrl)
  const pool = openPool({ ...options, max: limits.connectionsMax })
  measurePool(pool)
  limitStatements(pool, {
    // Without a pooler the connection began with it, or with the URL's.
    reset:
      options.pooler === "none"
        ? "RESET statement_timeout"
        : `SET statement_timeout = ${limits.statementTimeoutMs}`,
    isShared: isSharedByOthers,
  })
  const adapter = new DatelessPg(pool, {
    disposeExternalPool: true,
    schema: schemaOf(databaseUrl),
    // Behind such a pooler the next statement may come to another session, which has not prepared it.
    statementNameGenerator: isSharedByOthers ? () => "" : statementNames(),
  })
  return new PrismaClient({ adapter, errorFormat: "minimal" })
}

/** How one connection of the pool is opened. */
export function connectionOptions(
  databaseUrl: string,
  applicationName: string,
  limits: Omit<DatabaseLimits, "connectionsMax">,
) {
  const connection = connectionBy(databaseUrl)
  const timeouts = {
    statement_timeout: limits.statementTimeoutMs,
    idle_in_transaction_session_timeout: limits.statementTimeoutMs,
  }
  return {
    ...connection,
    ...(connection.pooler === "none"
      ? timeouts
      : { settings: { ...connection.settings, ...timeouts } }),
    application_name: applicationName,
    connectionTimeoutMillis: limits.connectTimeoutMs,
    query_timeout: limits.statementTimeoutMs + ANSWER_MARGIN_MS,
    keepAlive: true,
    keepAliveInitialDelayMillis: KEEP_ALIVE_MS,
  }
}

/**
 * Names statements by their text: PostgreSQL parses a named one once for a connection, and soon no
 * longer plans it each time, which is most of the cost of a small one. An empty name is none.
 */
function statementNames(): (query: { sql: string }) => string {
  const names = new Map<string, string>()
  return ({ sql: text }) => {
    const known = names.get(text)
    if (known !== undefined) return known
    if (names.size >= STATEMENTS_PREPARED_MAX) return ""
    // By the text, because a pooler may share connections among processes.
    const name = createHash("sha256").update(text).digest("base64url")
    names.set(text, name)
    return name
  }
}
