import { Tokens, parseKeys } from "@gofermart/api/auth/tokens.ts"
import type { BenchDatabase } from "./lab.ts"

/** Any 32 bytes in base64url. */
export const KEY = "dGhpcy1pcy1hLWJlbmNoLWtleS1vZi0zMi1ieXRlcyE"
const TOKEN_LIFETIME_MS = 24 * 3_600_000

export interface Customer {
  id: bigint
  /** What each of the customer's requests has. */
  headers: Record<string, string>
}

/** Makes customers with so many points, and tokens of theirs; nobody knows their passwords. */
export async function makeCustomers(
  { pool }: BenchDatabase,
  count: number,
  points = 0,
): Promise<Customer[]> {
  const { rows } = await pool.query<{ id: string }>(
    `WITH made AS (
       INSERT INTO users (login, password)
       SELECT 'bench-' || gen_random_uuid(), 'none' FROM generate_series(1, $1)
       RETURNING id
     )
     INSERT INTO user_balances (user_id, accrual) SELECT id, $2 FROM made RETURNING user_id AS id`,
    [count, points],
  )
  const tokens = new Tokens(parseKeys(`bench:${KEY}`), TOKEN_LIFETIME_MS)
  const issuedAt = new Date()
  return Promise.all(
    rows.map(async ({ id }) => {
      const token = await tokens.issue(BigInt(id), issuedAt)
      return { id: BigInt(id), headers: { authorization: `Bearer ${token}` } }
    }),
  )
}

/** Goes through them over and over. */
export function inTurn<Item>(items: Item[]): () => Item {
  let next = 0
  return () => items[next++ % items.length] as Item
}
