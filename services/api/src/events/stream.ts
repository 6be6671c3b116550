import { type Line, readLinesAfter } from "@gofermart/shared/ledger/history.ts"
import type { Logger } from "@gofermart/shared/runtime/logger.ts"
import { reasonOf } from "@gofermart/shared/runtime/reason-of.ts"
import type { VerifiedToken } from "../auth/tokens.ts"
import type { HistoryParts } from "../history/versions.ts"
import type { Poller } from "../watch/poller.ts"
import { writeEvent } from "./account-event.ts"

/** Proxies close connections that say nothing. */
const HEARTBEAT_MS = 15_000
/** How long a client waits before it connects again. */
const RECONNECT_MS = 2_000
const EVENTS_PER_READ_MAX = 100
/** How long a client waits that was replaced: it takes the place of another when it comes back. */
const RECONNECT_REPLACED_MS = 60_000

/** What there is to know of an account without reading its history. */
export interface Account {
  version: bigint
  /** Milliseconds since 1970. */
  tokensValidFromMs: number
}

export interface StreamParts extends HistoryParts {
  logger: Logger
  accounts: Poller<bigint, Account>
  /** Whether the token was logged out. */
  isEnded: () => Promise<boolean>
  token: VerifiedToken
  /** The version after which the client has seen nothing. */
  after: bigint
  /** The account's present version. */
  version: bigint
  /** Ends the stream: the client is gone, the token has expired, the server closes, it is replaced. */
  ended: AbortSignal
  /** Aborts when a newer stream of the user's has taken this one's place. */
  replaced: AbortSignal
}

/**
 * Gives the text of one client's event stream.
 *
 * Versions become visible in their order, since each is made under the balance's lock: what is read
 * after a version has no gap before it. A piece is made only when the one before was taken, so a
 * slow reader holds its place in the history and nothing else.
 */
export async function* streamText(parts: StreamParts): AsyncGenerator<string> {
  const { ended } = parts
  let position = parts.after
  let known = parts.version
  // An id alone is no event; it tells a client where to resume before there was one.
  yield `retry: ${RECONNECT_MS}\nid: ${position}\n\n`
  while (!ended.aborted) {
    while (known > position) {
      const lines = await readIfPossible(parts, position)
      if (lines === undefined) break
      if (lines.length > 0) yield lines.map(writeEvent).join("")
      position = lines.at(-1)?.version ?? position
      // A version may have no line: of an order that was given up on and uploaded again.
      if (lines.length < EVENTS_PER_READ_MAX && known > position) position = known
    }
    const news = await nextNews(parts, position)
    if (news === "ended") break
    if (news === "quiet") yield ": nothing new\n\n"
    else known = news
  }
  if (parts.replaced.aborted) yield `retry: ${RECONNECT_REPLACED_MS}\n\n`
}

/** Undefined when the database cannot be read now: the next poll tells of the same news. */
async function readIfPossible(parts: StreamParts, position: bigint): Promise<Line[] | undefined> {
  const { database, userTurns, token, logger } = parts
  const { userId } = token
  try {
    return await userTurns.short(userId, () =>
      readLinesAfter(database, userId, position, EVENTS_PER_READ_MAX),
    )
  } catch (error) {
    logger.warn({ reason: reasonOf(error) }, "could not read the events of an account")
    return undefined
  }
}

/** Resolves with a version after `position`, or after a while of quiet, or when it is over. */
async function nextNews(
  { accounts, isEnded, token, ended }: StreamParts,
  position: bigint,
): Promise<bigint | "quiet" | "ended"> {
  const news = Promise.withResolvers<bigint | "quiet" | "ended">()
  const end = () => news.resolve("ended")
  const heartbeat = setTimeout(() => news.resolve("quiet"), HEARTBEAT_MS)
  const stopWatching = accounts.watch(token.userId, (account) => {
    if (account === undefined || token.issuedAt.getTime() < account.tokensValidFromMs) end()
    else if (account.version > position) news.resolve(account.version)
    // What cannot be read now is asked about at the next poll.
    isEnded().then(
      (is) => is && end(),
      () => {},
    )
  })
  ended.addEventListener("abort", end)
  if (ended.aborted) end()
  const what = await news.promise
  ended.removeEventListener("abort", end)
  stopWatching()
  clearTimeout(heartbeat)
  return what
}
