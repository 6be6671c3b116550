import { withLimit } from "@gofermart/shared/db/time-limit.ts"
import pLimit, { type LimitFunction } from "p-limit"
import { OverloadedError } from "./errors.ts"

/** Items of a read that costs little. */
export const ITEMS_PER_SHORT_READ_MAX = 101
/** Of one user's, that are no part of a batch; others of theirs wait for them. */
const SHORT_READS_PER_USER_MAX = 2
/** They wait for one another in the database, each on a connection: one runs, one is at hand. */
const WITHDRAWALS_PER_USER_MAX = 2
/** So that whoever else reads meanwhile finds most of the machine's time. */
const LONG_READS_PER_USER_MAX = 1
/** Of each kind; one more is refused. */
const TURNS_WAITING_PER_USER_MAX = 500
/** Of all users', that are long. */
const LONG_READS_MAX = 4
/** A thousand items take a few milliseconds. */
const LONG_READ_MS = 5_000

interface Turns {
  short: LimitFunction
  long: LimitFunction
  withdrawals: LimitFunction
  /** Those that wait or are under way: without any, the user is forgotten. */
  taken: number
}

/**
 * Takes turns among users with what is no part of a batch: one user has few statements under way,
 * whatever they ask for, and long reads leave most of the connections and of this process's time to
 * others. Rejects with `OverloadedError` when too many of the user's wait.
 */
export class UserTurns {
  readonly #ofUser = new Map<bigint, Turns>()
  readonly #long = pLimit(LONG_READS_MAX)

  /** Reads so many items at most. */
  items<Result>(userId: bigint, itemsMax: number, read: () => Promise<Result>): Promise<Result> {
    return itemsMax > ITEMS_PER_SHORT_READ_MAX ? this.long(userId, read) : this.short(userId, read)
  }

  /** Reads a few rows. */
  short<Result>(userId: bigint, read: () => Promise<Result>): Promise<Result> {
    return this.#inTurn(userId, "short", read)
  }

  /** Reads many rows. Rejects, in addition, when the database takes too long for it. */
  long<Result>(userId: bigint, read: () => Promise<Result>): Promise<Result> {
    const limit = { statementMs: LONG_READ_MS, isLong: false }
    // Their own turn comes first: so no user has more than one in the queue of all.
    return this.#inTurn(userId, "long", () => this.#long(() => withLimit(limit, read)))
  }

  withdrawal<Result>(userId: bigint, withdraw: () => Promise<Result>): Promise<Result> {
    return this.#inTurn(userId, "withdrawals", withdraw)
  }

  async #inTurn<Result>(
    userId: bigint,
    kind: "short" | "long" | "withdrawals",
    run: () => Promise<Result>,
  ): Promise<Result> {
    const user = this.#ofUser.get(userId) ?? {
      short: pLimit(SHORT_READS_PER_USER_MAX),
      long: pLimit(LONG_READS_PER_USER_MAX),
      withdrawals: pLimit(WITHDRAWALS_PER_USER_MAX),
      taken: 0,
    }
    if (user[kind].pendingCount >= TURNS_WAITING_PER_USER_MAX) {
      throw new OverloadedError("too much of one user waits")
    }
    this.#ofUser.set(userId, user)
    user.taken += 1
    try {
      return await user[kind](run)
    } finally {
      user.taken -= 1
      if (user.taken === 0) this.#ofUser.delete(userId)
    }
  }
}
