import { type Database, sql } from "@gofermart/shared/db/client.ts"
import { createUser } from "./ledger.ts"

/** What one statement took, as the database itself tells. */
export interface Cost {
  buffers: number
  ms: number
}

/**
 * Makes orders that wait, their leases over, half of them at one instant: settling them is what leaves
 * entries behind.
 */
export async function makeWaiting(client: Database, orders: number): Promise<void> {
  const userId = await createUser(client)
  await client.$executeRaw`
    WITH made AS (
      INSERT INTO orders (user_id, number, uploaded_at)
      SELECT ${userId}, (${userId}::bigint * 100000000 + i)::text, now() - interval '1 hour'
        FROM generate_series(1, ${orders}::int) AS i
      RETURNING id, user_id
    )
    INSERT INTO accruals (order_id, user_id, status, requeue_at)
    SELECT id, user_id, 'PROCESSING',
           now() - interval '1 hour'
             + greatest(0, row_number() OVER (ORDER BY id) - ${orders}::int / 2)
               * interval '10 microseconds'
      FROM made`
}

/** Settles all that wait, in one go. */
export async function settleAll(client: Database): Promise<void> {
  await client.$executeRaw`
    UPDATE accruals SET status = 'INVALID', version = order_id, balance_after = 0
     WHERE status = 'PROCESSING'`
}

/** Writes leases as they could be written before the CHECK of them. */
export async function withoutLeaseCheck(
  client: Database,
  write: () => Promise<unknown>,
): Promise<void> {
  const [{ check }] = await client.$queryRaw<[{ check: string }]>`
    SELECT pg_get_constraintdef(oid) AS check FROM pg_constraint
     WHERE conname = 'accruals_requeue_at_check'`
  await client.$executeRaw`ALTER TABLE accruals DROP CONSTRAINT accruals_requeue_at_check`
  await write()
  await client.$executeRawUnsafe(
    `ALTER TABLE accruals ADD CONSTRAINT accruals_requeue_at_check ${check}`,
  )
}

type Statement = ReturnType<typeof sql>

/** The database, in which each statement of requeue's is seen before it is run. */
export function watching(client: Database, see: (statement: Statement) => Promise<void>): Database {
  return new Proxy(client, {
    get(target, name, receiver) {
      if (name !== "$queryRaw") return Reflect.get(target, name, receiver) as unknown
      return async (statement: Statement) => {
        await see(statement)
        return target.$queryRaw(statement)
      }
    },
  })
}

/** The database, in which each statement of requeue's is also explained: what it takes is told. */
export function explaining(client: Database, tell: (cost: Cost) => void): Database {
  return watching(client, async (statement) => tell(await costOf(client, statement)))
}

interface Plan {
  "QUERY PLAN": [
    {
      Plan: { "Shared Hit Blocks": number; "Shared Read Blocks": number }
      "Execution Time": number
    },
  ]
}

async function costOf(client: Database, statement: Statement): Promise<Cost> {
  let cost: Cost | undefined
  const undone = new Error("undone")
  await client
    .$transaction(async (transaction) => {
      const [row] = await (transaction as unknown as Database).$queryRaw<[Plan]>(
        sql`EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) ${statement}`,
      )
      const [{ Plan: plan, "Execution Time": ms }] = row["QUERY PLAN"]
      cost = { buffers: plan["Shared Hit Blocks"] + plan["Shared Read Blocks"], ms }
      throw undone
    })
    .catch((error: unknown) => {
      if (error !== undone) throw error
    })
  if (cost === undefined) throw new Error("nothing was explained")
  return cost
}
