import type { Fixture } from "../fixtures/fixture.ts"
import { recordingSide } from "./recording-side.ts"
import { alternate, perSecond, ratios, type Run, type Side } from "../measure/rounds.ts"
import { PGBENCH, pgbenchSides } from "./pgbench.ts"
import type { Outcome, Row, Scenario } from "./scenario.ts"

const CONNECTIONS = [64, 256]

/** Rows 1 to 3: what an upload costs beside everything that is not its durable record. */
export const recording: Scenario = {
  name: "recording",
  about: "uploads, all numbers new, queue on Redis",
  isLong: false,
  async measure(fixture) {
    const outcome: Outcome = { rows: [], runs: new Map() }
    for (const connections of CONNECTIONS) {
      const sides = await makeSides(fixture, connections)
      const { rounds } = fixture.extent
      const runs = await alternate(sides, rounds, (done, of, now) =>
        fixture.report(done, of, `${now}, ${connections} connections`),
      )
      outcome.rows.push(...rowsOf(runs, connections))
      for (const [side, done] of runs) outcome.runs.set(`${side}, ${connections}`, done)
      await fixture.endScope()
    }
    return outcome
  },
}

function rowsOf(runs: Map<string, Run[]>, connections: number): Row[] {
  const row = (number: number, to: string, atLeast: number): Row => ({
    row: `${number}, ${connections} connections`,
    what: "uploads",
    to,
    ratios: ratios(runs, "shipped", to, perSecond),
    target: { atLeast },
  })
  return [
    row(1, "ledger call replaced by a constant", 0.7),
    row(2, "one create and one queue.add per request", 5),
    row(3, PGBENCH, 0.5),
  ]
}

async function makeSides(fixture: Fixture, connections: number): Promise<Side[]> {
  return [
    await recordingSide(fixture, connections, "shipped"),
    await recordingSide(fixture, connections, "ledger call replaced by a constant", {
      "ledger/record-orders.ts": "record-nothing.ts",
    }),
    await recordingSide(fixture, connections, "one create and one queue.add per request", {
      "orders/order-recorder.ts": "naive-recorder.ts",
      "orders/enqueue.ts": "naive-enqueue.ts",
    }),
    ...(await pgbenchSides(fixture, connections)),
  ]
}
