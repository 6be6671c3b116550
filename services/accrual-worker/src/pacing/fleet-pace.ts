import { setTimeout as sleep } from "node:timers/promises"
import type { Database } from "@gofermart/shared/db/client.ts"
import { KnownPause } from "./known-pause.ts"
import { changeRow, type PaceChange } from "./pace-changes.ts"
import { extendPause, readPace, writePace } from "./pace-row.ts"
import type { KnownPace, PaceRow, SharedPace } from "./shared-pace.ts"

/** Of a change of the row, each after somebody else was quicker. */
const CHANGE_TRIES_MAX = 50
/** Between them at most: workers that are refused at the same time do not stay in step. */
const CHANGE_DELAY_MAX_MS = 20

/** The fleet's pace and pause, as this worker knows them. The truth is in the database. */
export class FleetPace {
  readonly #database: Database
  #row: PaceRow | undefined
  #readAt = 0
  #isCurrent = false
  /** This worker's changes that the database does not have yet. */
  readonly #assumed = new Set<PaceChange>()
  readonly #pause = new KnownPause()

  constructor(database: Database) {
    this.#database = database
  }

  /** What this worker knows now. */
  known(): KnownPace {
    return {
      pace: this.pace,
      isCurrent: this.#isCurrent,
      pauseMs: Math.max(0, this.#pauseLeftMs()),
      now: this.#now(),
    }
  }

  /** Undefined as long as it has not been read. */
  get pace(): SharedPace | undefined {
    return this.#row?.pace
  }

  get isDown(): boolean {
    return this.#row !== undefined && this.#row.pace.downSince !== null
  }

  /** When the latest pause ends, or has ended, on this process's monotonic clock. */
  get pauseEndsAt(): number {
    return this.#pause.endsAt
  }

  /** Epoch milliseconds by the database's clock. */
  #now(): number {
    return this.#row === undefined ? 0 : this.#row.now + performance.now() - this.#readAt
  }

  #pauseLeftMs(): number {
    return this.#pause.endsAt - performance.now()
  }

  /** For this worker alone, until it is written. */
  pauseFor(ms: number): void {
    this.#pause.begin(performance.now() + ms)
  }

  /** Writes a pause that was begun, for `ms` from now. Rejects when the database is away. */
  async writePause(ms: number): Promise<void> {
    // When it is in the row it will have ended no sooner there.
    const endsAt = performance.now() + ms
    await extendPause(this.#database, ms)
    this.#pause.wrote(endsAt)
  }

  /**
   * For this worker alone, at once and over what it reads meanwhile, which is older; until `change` has
   * written it, or what is returned is called because it could not.
   */
  assume(change: PaceChange): () => void {
    this.#assumed.add(change)
    this.#apply(change)
    return () => void this.#assumed.delete(change)
  }

  #apply(change: PaceChange): void {
    if (this.#row === undefined) return
    const pace = change(this.#row.pace, this.#now(), this.#pauseLeftMs())
    this.#row = { ...this.#row, pace }
  }

  /** Whether this would change the pace, as far as this worker knows. */
  wouldChange(change: PaceChange): boolean {
    const { pace } = this
    return pace !== undefined && change(pace, this.#now(), this.#pauseLeftMs()) !== pace
  }

  /**
   * Changes the pace for everybody; where that `isNews`, whoever changes it meanwhile thinks again even
   * if this changes nothing. Rejects when the database is away.
   */
  async change(change: PaceChange, { isNews = false } = {}): Promise<void> {
    this.#isCurrent = false
    for (let tries = 1; ; tries++) {
      const { writes } = this.#pause
      const row = await readPace(this.#database)
      this.#pause.read(row, writes, performance.now())
      const { pace, isToWrite } = changeRow(row, change, isNews)
      if (!isToWrite || (await writePace(this.#database, pace, row.version))) {
        this.#row = { ...row, pace }
        this.#readAt = performance.now()
        this.#isCurrent = true
        this.#assumed.delete(change)
        for (const assumed of this.#assumed) this.#apply(assumed)
        return
      }
      if (tries >= CHANGE_TRIES_MAX) throw new Error("others keep changing the pace")
      await sleep(Math.random() * CHANGE_DELAY_MAX_MS)
    }
  }
}
