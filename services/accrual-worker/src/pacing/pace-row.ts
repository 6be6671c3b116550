import type { Database } from "@gofermart/shared/db/client.ts"
import { PAUSE_MAX_MS } from "@gofermart/scoring-client/retry-after.ts"
import {
  ASSIGNED_COLUMNS,
  type PaceFields,
  paceOf,
  SELECTED_FIELDS,
  valuesOf,
} from "./pace-columns.ts"
import type { PaceRow, SharedPace } from "./shared-pace.ts"

type Row = PaceFields & { version: bigint; pausedUntil: number | null; now: number }

const READ_ROW = `
  SELECT ${SELECTED_FIELDS}, version,
         (SELECT (extract(epoch FROM paused_until) * 1000)::float8
            FROM scoring_pause) AS "pausedUntil",
         (extract(epoch FROM clock_timestamp()) * 1000)::float8 AS now
    FROM scoring_pace`

/** Reads the fleet's pace and pause; makes the row where there is none. */
export async function readPace(database: Database): Promise<PaceRow> {
  let row = await readRow(database)
  if (row === undefined) {
    await database.$executeRaw`INSERT INTO scoring_pace DEFAULT VALUES ON CONFLICT DO NOTHING`
    row = await readRow(database)
  }
  if (row === undefined) throw new Error("the pace has no row")
  if (pauseMsOf(row) > PAUSE_MAX_MS) {
    await shortenPause(database)
    row = (await readRow(database)) ?? row
  }
  const { version, pausedUntil, now, ...fields } = row
  return { pace: paceOf(fields), version, pausedUntil, pauseMs: pauseMsOf(row), now }
}

function pauseMsOf({ pausedUntil, now }: Row): number {
  return pausedUntil === null ? -Infinity : pausedUntil - now
}

async function readRow(database: Database): Promise<Row | undefined> {
  const [row] = await database.$queryRawUnsafe<Row[]>(READ_ROW)
  return row
}

/** Resolves with false when somebody else has written since `version` was read. */
export async function writePace(
  database: Database,
  pace: SharedPace,
  version: bigint,
): Promise<boolean> {
  const values = valuesOf(pace)
  const update = `
    UPDATE scoring_pace SET ${ASSIGNED_COLUMNS}, version = version + 1
     WHERE version = $${values.length + 1}`
  return (await database.$executeRawUnsafe(update, ...values, version)) === 1
}

/** Makes the fleet's pause last `ms` from now, unless it lasts longer already. */
export async function extendPause(database: Database, ms: number): Promise<void> {
  await database.$executeRaw`
    INSERT INTO scoring_pause AS p (paused_until)
    VALUES (clock_timestamp() + ${ms}::float8 * interval '1 millisecond')
        ON CONFLICT (id) DO UPDATE
       SET paused_until = greatest(p.paused_until, excluded.paused_until)`
}

/** Nobody pauses for so long: it is what becomes of a pause when the database's clock is set back. */
async function shortenPause(database: Database): Promise<void> {
  await database.$executeRaw`
    UPDATE scoring_pause
       SET paused_until = least(
             paused_until,
             clock_timestamp() + ${PAUSE_MAX_MS}::float8 * interval '1 millisecond')`
}
