import type { Database } from "@gofermart/shared/db/client.ts"

/**
 * Spends a user's hundredths one by one, as rows at once: that many calls would take minutes. The
 * user has an order, and points enough.
 */
export async function withdrawInBulk(
  client: Database,
  login: string,
  count: number,
): Promise<void> {
  const { id: userId } = await client.user.findUniqueOrThrow({ where: { login } })
  const { id: orderId } = await client.order.findFirstOrThrow({ where: { userId } })
  await client.$queryRaw`
    WITH written AS (
      INSERT INTO withdrawals (order_id, user_id, value, version, balance_after)
      SELECT ${orderId}::bigint, b.user_id, 0.01, b.version + i, b.accrual - i / 100.0
        FROM user_balances b, generate_series(1, ${count}::int) i
       WHERE b.user_id = ${userId}
    )
    UPDATE user_balances
       SET version = version + ${count}::int, accrual = accrual - ${count} / 100.0,
           withdrawal = withdrawal + ${count} / 100.0
     WHERE user_id = ${userId}`
  await client.$executeRaw`ANALYZE withdrawals`
}
