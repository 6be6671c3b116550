import type { Lab } from "../lab/lab.ts"
import { alternate, perSecond, ratios, type Side } from "../measure/rounds.ts"
import { intakeSide } from "./intake-side.ts"
import type { Scenario } from "./scenario.ts"

const CONNECTIONS = 64

const DURABLE = "shipped"
const NOT_DURABLE = "synchronous_commit off: 202 before it is on disk"

/** What it costs that an answered upload survives a crash. The one run that gives it up. */
export const durability: Scenario = {
  name: "durability",
  about: `uploads with commits that are waited for and that are not, ${CONNECTIONS} connections`,
  isLong: false,
  async measure(lab) {
    const sides = [await intakeSide(lab, CONNECTIONS, DURABLE), await notDurable(lab)]
    const runs = await alternate(sides, lab.extent.rounds, lab.report)
    const row = {
      row: "durability",
      what: "uploads",
      to: NOT_DURABLE,
      ratios: ratios(runs, DURABLE, NOT_DURABLE, perSecond),
      target: undefined,
    }
    return { rows: [row], runs }
  },
}

async function notDurable(lab: Lab): Promise<Side> {
  const database = await lab.database()
  const name = new URL(database.url).pathname.slice(1)
  await database.pool.query(`ALTER DATABASE ${name} SET synchronous_commit = off`)
  return intakeSide(lab, CONNECTIONS, NOT_DURABLE, {}, database)
}
