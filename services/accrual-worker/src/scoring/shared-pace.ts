import type { Database } from "@gofermart/shared/db/client.ts"
import type { SharedPace } from "./allowance.ts"

/** The row `scoring_pace`, and what else the database says of when the fleet may ask. */
export interface PaceRow {
  pace: SharedPace
  /** Raised by each write: whoever writes says which one it has read. */
  version: bigint
  /** For how much longer the fleet's pause is, in milliseconds. */
  pauseMs: number
  /** Epoch milliseconds by the database's clock. */
  now: number
}

interface Columns {
  perMinute: number | null
  isConfirmed: boolean
  isClimbing: boolean
  windowBeganAt: number
  calls: number
  windowsHeld: number
  climbs: number
  failedProbes: number
  guessedCalls: number
  guessedOverMs: number | null
  answerMs: number
  downSince: number | null
  recoveredAt: number | null
  version: bigint
  pauseMs: number | null
  now: number
}

export async function readPace(database: Database): Promise<PaceRow> {
  let row = await readRow(database)
  if (row === undefined) {
    await database.$executeRaw`INSERT INTO scoring_pace DEFAULT VALUES ON CONFLICT DO NOTHING`
    row = await readRow(database)
  }
  if (row === undefined) throw new Error("the pace has no row")
  const { version, pauseMs, now, answerMs, downSince, recoveredAt, ...limit } = row
  return {
    pace: { limit, answerMs, downSince, recoveredAt },
    version,
    pauseMs: Math.max(0, pauseMs ?? 0),
    now,
  }
}

async function readRow(database: Database): Promise<Columns | undefined> {
  const [row] = await database.$queryRaw<Columns[]>`
    SELECT limit_per_minute AS "perMinute", is_confirmed AS "isConfirmed",
           is_climbing AS "isClimbing",
           (extract(epoch FROM window_began_at) * 1000)::float8 AS "windowBeganAt",
           calls, windows_held AS "windowsHeld", climbs, failed_probes AS "failedProbes",
           guessed_calls AS "guessedCalls", guessed_over_ms AS "guessedOverMs",
           answer_ms AS "answerMs",
           (extract(epoch FROM down_since) * 1000)::float8 AS "downSince",
           (extract(epoch FROM recovered_at) * 1000)::float8 AS "recoveredAt",
           version,
           (SELECT (extract(epoch FROM paused_until - clock_timestamp()) * 1000)::float8
              FROM scoring_pause) AS "pauseMs",
           (extract(epoch FROM clock_timestamp()) * 1000)::float8 AS now
      FROM scoring_pace`
  return row
}

/** Resolves with false when somebody else has written since `version` was read. */
export async function writePace(
  database: Database,
  { limit, answerMs, downSince, recoveredAt }: SharedPace,
  version: bigint,
): Promise<boolean> {
  const written = await database.$executeRaw`
    UPDATE scoring_pace
       SET limit_per_minute = ${limit.perMinute}, is_confirmed = ${limit.isConfirmed},
           is_climbing = ${limit.isClimbing},
           window_began_at = to_timestamp(${limit.windowBeganAt}::float8 / 1000),
           calls = ${limit.calls}, windows_held = ${limit.windowsHeld}, climbs = ${limit.climbs},
           failed_probes = ${limit.failedProbes}, guessed_calls = ${limit.guessedCalls},
           guessed_over_ms = ${limit.guessedOverMs}, answer_ms = ${answerMs},
           down_since = to_timestamp(${downSince}::float8 / 1000),
           recovered_at = to_timestamp(${recoveredAt}::float8 / 1000), version = version + 1
     WHERE version = ${version}`
  return written === 1
}

/** Makes the fleet's pause last `ms` from now, unless it lasts longer already. */
export async function extendPause(database: Database, ms: number): Promise<void> {
  await database.$executeRaw`
    INSERT INTO scoring_pause AS p (paused_until)
    VALUES (clock_timestamp() + ${ms}::float8 * interval '1 millisecond')
        ON CONFLICT (id) DO UPDATE
       SET paused_until = greatest(p.paused_until, excluded.paused_until)`
}
