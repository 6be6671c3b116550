import type { Database } from "@gofermart/shared/db/client.ts"
import { Gauge } from "prom-client"

const pauseLeft = new Gauge({
  name: "gofermart_scoring_pause_seconds",
  help: "For how much longer nobody polls the scoring system; 0 without a pause.",
})
const scoringDown = new Gauge({
  name: "gofermart_scoring_down",
  help: "1 while the scoring system is taken to be down: it is polled once a second.",
})
const scoringLimit = new Gauge({
  name: "gofermart_scoring_limit_per_minute",
  help: "Requests a minute that it is taken to allow; absent as long as it has refused none.",
})
const limitSpent = new Gauge({
  name: "gofermart_scoring_limit_spent",
  help: "Of them, those that it has answered in the present minute.",
})

/** What `lookIntoPace` sets. */
export const paceGauges = [pauseLeft, scoringDown, scoringLimit, limitSpent]

/** Resolves with whether the fleet's pause is on. */
export async function lookIntoPace(database: Database): Promise<boolean> {
  const [row] = await database.$queryRaw<
    { pauseSeconds: number; isDown: boolean; limit: number | null; spent: number | null }[]
  >`
    SELECT coalesce((SELECT greatest(0, extract(epoch FROM paused_until - clock_timestamp()))
                       FROM scoring_pause), 0)::float8 AS "pauseSeconds",
           down_since IS NOT NULL AS "isDown",
           limit_per_minute AS limit,
           CASE WHEN limit_per_minute IS NOT NULL THEN calls END AS spent
      FROM scoring_pace`
  if (row === undefined) throw new Error("the pace has no row")
  pauseLeft.set(row.pauseSeconds)
  scoringDown.set(Number(row.isDown))
  setOrRemove(scoringLimit, row.limit)
  setOrRemove(limitSpent, row.spent)
  return row.pauseSeconds > 0
}

function setOrRemove(gauge: Gauge, value: number | null): void {
  if (value === null) gauge.remove()
  else gauge.set(value)
}
