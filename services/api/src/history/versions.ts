import type { Database } from "@gofermart/shared/db/client.ts"
import type { UserTurns } from "../http/user-turns.ts"

/** What a user's history is read with. */
export interface HistoryParts {
  database: Database
  userTurns: UserTurns
}

/** The version of the user's account; undefined when there is no such user. */
export async function readVersion(database: Database, userId: bigint): Promise<bigint | undefined> {
  // Not findUnique, which Prisma makes one statement with others' of the same moment.
  const balance = await database.userBalance.findFirst({
    where: { userId },
    select: { version: true },
  })
  return balance?.version
}

/** How the items of a list are found that come with the versions of an account. */
export function byVersion({ database, userTurns }: HistoryParts, userId: bigint) {
  return {
    userId,
    keyOf: ({ version }: { version: bigint }) => version,
    writeKey: String,
    readKey: parseVersion,
    readTag: async () => String(await userTurns.short(userId, () => readVersion(database, userId))),
  }
}

/** Reads a version back from a cursor or an event's id; undefined when it is none. */
export function parseVersion(text: string): bigint | undefined {
  return /^\d{1,18}$/.test(text) ? BigInt(text) : undefined
}
