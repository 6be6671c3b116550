import type { Customer } from "./customers.ts"
import type { BenchDatabase, Lab } from "./lab.ts"

// More orders than the ledger's functions could record in a reasonable time. Their numbers are
// random, so that a new one comes to any place of a large index and not always to its end, which is
// in memory however large the index is.

const ORDERS_PER_CHUNK = 100_000
/** 18 digits, which need not pass the Luhn check; uploads' have 19. */
const RANDOM_NUMBER = "random(100000000000000000, 999999999999999999)"

/** Loads orders that nobody has settled, of one customer after another; resolves with their numbers. */
export async function loadWaiting(
  lab: Lab,
  { pool }: BenchDatabase,
  customers: Customer[],
  count: number,
): Promise<string[]> {
  const ids = customers.map(({ id }) => id)
  const numbers: string[] = []
  for (let left = count; left > 0; left -= ORDERS_PER_CHUNK) {
    lab.report(count - left, count, "loading orders that wait")
    const { rows } = await pool.query<{ number: string }>(
      `WITH made AS (
         INSERT INTO orders (user_id, number, uploaded_at)
         SELECT ($1::bigint[])[1 + i % cardinality($1::bigint[])], ${RANDOM_NUMBER}, now()
           FROM generate_series(1, $2::int) AS i
         RETURNING id, user_id, number
       ), awaited AS (
         INSERT INTO accruals (order_id, user_id, status, requeue_at)
         SELECT id, user_id, 'PROCESSING', now() FROM made
       )
       SELECT number FROM made`,
      [ids, Math.min(left, ORDERS_PER_CHUNK)],
    )
    for (const { number } of rows) numbers.push(number)
  }
  return numbers
}

/**
 * Loads settled orders, so many of each customer and each worth one point, with the balances that
 * they add up to. Where there are fewer customers than that, the rest is made.
 */
export async function loadSettled(
  lab: Lab,
  { pool }: BenchDatabase,
  customers: number,
  ordersEach: number,
): Promise<void> {
  await pool.query(
    `INSERT INTO users (login, password)
     SELECT 'bench-' || gen_random_uuid(), 'none'
       FROM generate_series((SELECT count(*) FROM users) + 1, $1)`,
    [customers],
  )
  for (let version = 1; version <= ordersEach; version++) {
    lab.report((version - 1) * customers, ordersEach * customers, "loading settled orders")
    // One order of every customer, as they happen to come: a customer's orders are far apart in the
    // tables, as those of a real one are.
    await pool.query(
      `WITH made AS (
         INSERT INTO orders (user_id, number, uploaded_at)
         SELECT id, ${RANDOM_NUMBER}, now() - ($2::int - $1::int) * interval '1 day'
           FROM users ORDER BY random()
         RETURNING id, user_id
       )
       INSERT INTO accruals (order_id, user_id, status, value, version, balance_after, requeue_at)
       SELECT id, user_id, 'PROCESSED', 1, $1, $1, now() FROM made`,
      [version, ordersEach],
    )
  }
  await pool.query(
    `INSERT INTO user_balances (user_id, accrual, version)
     SELECT id, $1::int, $1::int FROM users
         ON CONFLICT (user_id) DO UPDATE SET accrual = $1::int, version = $1::int`,
    [ordersEach],
  )
}

/** Takes the load's aftermath, which would come by itself during the measurement, ahead of it. */
export async function tidyUp({ pool }: BenchDatabase): Promise<void> {
  await pool.query("VACUUM (ANALYZE)")
  await pool.query("CHECKPOINT")
}
