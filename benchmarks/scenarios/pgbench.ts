import { execFile } from "node:child_process"
import { writeFile } from "node:fs/promises"
import { promisify } from "node:util"
import { makeCustomers } from "../fixtures/customers.ts"
import type { Fixture } from "../fixtures/fixture.ts"
import type { Side } from "../measure/rounds.ts"

export const PGBENCH = "pgbench, single-row inserts"

const CUSTOMERS = 1_000
const THREADS = 2
/** Its time begins before it has connected, which takes it long with many clients. */
const CONNECT_S_PER_CLIENT = 0.01

/** One order and its accrual in one statement; numbers are random in a space of 10^18. */
const SCRIPT = `\\set user random(1, ${CUSTOMERS})
\\set number random(1000000000000000000, 1999999999999999999)
WITH o AS (
  INSERT INTO orders (user_id, number, uploaded_at) VALUES (:user, :number, now()) RETURNING id
)
INSERT INTO accruals (order_id, user_id, status, requeue_at)
SELECT id, :user, 'PROCESSING', now() + interval '30 seconds' FROM o;
`

const run = promisify(execFile)

/** PostgreSQL's own load generator with as many clients; no side where there is none on the PATH. */
export async function pgbenchSides(fixture: Fixture, clients: number): Promise<Side[]> {
  const isThere = await run("pgbench", ["--version"]).then(
    () => true,
    () => false,
  )
  if (!isThere) return []
  const database = await fixture.database()
  await makeCustomers(database, CUSTOMERS)
  const script = fixture.file("insert.sql")
  await writeFile(script, SCRIPT)
  const settings = ["--no-vacuum", "--protocol=prepared", `--jobs=${THREADS}`]
  const seconds = Math.ceil(fixture.extent.seconds + clients * CONNECT_S_PER_CLIENT)
  const extent = [`--time=${seconds}`, `--client=${clients}`]
  return [
    {
      name: PGBENCH,
      clocks: { PostgreSQL: fixture.postgresClock },
      run: async () => {
        const { stdout } = await run("pgbench", [
          ...settings,
          ...extent,
          `--file=${script}`,
          database.url,
        ])
        const operations = Number(/transactions actually processed: (\d+)/.exec(stdout)?.[1])
        const rate = Number(/tps = ([\d.]+) \(without initial/.exec(stdout)?.[1])
        if (!(rate > 0)) throw new Error("pgbench gave no figure")
        return { operations, seconds: operations / rate }
      },
    },
  ]
}
