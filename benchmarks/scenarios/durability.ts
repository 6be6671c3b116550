import type { Fixture } from "../fixtures/fixture.ts"
import { alternate, perSecond, ratios, type Side } from "../measure/rounds.ts"
import { recordingSide } from "./recording-side.ts"
import type { Scenario } from "./scenario.ts"

const CONNECTIONS = 64

const DURABLE = "shipped"
const NOT_DURABLE = "synchronous_commit off: 202 before it is on disk"

/** What it costs that an answered upload survives a crash. The one run that gives it up. */
export const durability: Scenario = {
  name: "durability",
  about: `uploads with commits that are waited for and that are not, ${CONNECTIONS} connections`,
  isLong: false,
  async measure(fixture) {
    const sides = [await recordingSide(fixture, CONNECTIONS, DURABLE), await notDurable(fixture)]
    const runs = await alternate(sides, fixture.extent.rounds, fixture.report)
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

async function notDurable(fixture: Fixture): Promise<Side> {
  const database = await fixture.database()
  const name = new URL(database.url).pathname.slice(1)
  await database.pool.query(`ALTER DATABASE ${name} SET synchronous_commit = off`)
  return recordingSide(fixture, CONNECTIONS, NOT_DURABLE, {}, database)
}
