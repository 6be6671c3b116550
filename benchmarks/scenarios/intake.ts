import type { Lab } from "../lab/lab.ts"
import { intakeSide } from "./intake-side.ts"
import { alternate, perSecond, ratios, type Run, type Side } from "../measure/rounds.ts"
import { PGBENCH, pgbenchSides } from "./pgbench.ts"
import type { Outcome, Row, Scenario } from "./scenario.ts"

const CONNECTIONS = [64, 256]

/** Rows 1 to 3: what an upload costs beside everything that is not its durable record. */
export const intake: Scenario = {
  name: "intake",
  about: "uploads, all numbers new, queue on Redis",
  isLong: false,
  async measure(lab) {
    const outcome: Outcome = { rows: [], runs: new Map() }
    for (const connections of CONNECTIONS) {
      const sides = await makeSides(lab, connections)
      const { rounds } = lab.extent
      const runs = await alternate(sides, rounds, (done, of, now) =>
        lab.report(done, of, `${now}, ${connections} connections`),
      )
      outcome.rows.push(...rowsOf(runs, connections))
      for (const [side, done] of runs) outcome.runs.set(`${side}, ${connections}`, done)
      await lab.endScope()
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

async function makeSides(lab: Lab, connections: number): Promise<Side[]> {
  return [
    await intakeSide(lab, connections, "shipped"),
    await intakeSide(lab, connections, "ledger call replaced by a constant", {
      "ledger/record-orders.ts": "record-nothing.ts",
    }),
    await intakeSide(lab, connections, "one create and one queue.add per request", {
      "orders/intake.ts": "naive-intake.ts",
      "orders/enqueue.ts": "naive-enqueue.ts",
    }),
    ...(await pgbenchSides(lab, connections)),
  ]
}
