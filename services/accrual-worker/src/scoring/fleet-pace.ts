import { setTimeout as sleep } from "node:timers/promises"
import { isDeepStrictEqual } from "node:util"
import type { Database } from "@gofermart/shared/db/client.ts"
import type { SharedPace } from "./allowance.ts"
import { type PaceRow, readPace, writePace } from "./shared-pace.ts"

/** Of a change of the row, each after somebody else was quicker. */
const CHANGE_TRIES_MAX = 50
/** Between them at most: workers that are refused at the same time do not stay in step. */
const CHANGE_DELAY_MAX_MS = 20

/** Makes the next pace of the present one; `now`: epoch milliseconds by the database's clock. */
export type PaceChange = (pace: SharedPace, now: number) => SharedPace

/** The fleet's pace and pause, as this worker knows them. The truth is in the database. */
export class FleetPace {
  readonly #database: Database
  #row: PaceRow | undefined
  #readAt = 0
  #isCurrent = false
  /** On this process's monotonic clock; the machine's may be wrong. */
  #pauseEndsAt = 0

  constructor(database: Database) {
    this.#database = database
  }

  /** Undefined as long as it has not been read. */
  get pace(): SharedPace | undefined {
    return this.#row?.pace
  }

  /** Epoch milliseconds by the database's clock. */
  now(): number {
    return this.#row === undefined ? 0 : this.#row.now + performance.now() - this.#readAt
  }

  /** For how many more milliseconds nobody may ask; 0 when there is no pause. */
  pauseMs(): number {
    return Math.max(0, this.#pauseEndsAt - performance.now())
  }

  /** For this worker alone, until the database has it. */
  pauseFor(ms: number): void {
    this.#pauseEndsAt = Math.max(this.#pauseEndsAt, performance.now() + ms)
  }

  /** For this worker alone, until the database has it. */
  assume(change: PaceChange): void {
    if (this.#row === undefined) return
    this.#row = { ...this.#row, pace: change(this.#row.pace, this.now()) }
  }

  /** Whether the database could be asked when it last was. */
  get isCurrent(): boolean {
    return this.#isCurrent
  }

  /** Changes the pace for everybody. Rejects when the database is away. */
  async change(change: PaceChange): Promise<void> {
    this.#isCurrent = false
    for (let tries = 1; ; tries++) {
      const row = await readPace(this.#database)
      const changed = change(withPauseOver(row), row.now)
      const isSame = isDeepStrictEqual(changed, row.pace)
      if (isSame || (await writePace(this.#database, changed, row.version))) {
        this.#row = { ...row, pace: changed }
        this.#readAt = performance.now()
        this.pauseFor(row.pauseMs)
        this.#isCurrent = true
        return
      }
      if (tries >= CHANGE_TRIES_MAX) throw new Error("others keep changing the pace")
      await sleep(Math.random() * CHANGE_DELAY_MAX_MS)
    }
  }
}

/** The minute after a pause begins when an operator has ended that. */
function withPauseOver({ pace, pauseMs, now }: PaceRow): SharedPace {
  if (pauseMs > 0 || pace.limit.windowBeganAt <= now) return pace
  return { ...pace, limit: { ...pace.limit, windowBeganAt: now } }
}
