import { type Backends, EXIT_NOT_RIGHT, say } from "./backends.ts"

const LINES_SHOWN_MAX = 10

interface Line {
  version: bigint
  change: string
  number: string
  balanceAfter: string
}

/** Tells a user's balance, how many orders stand where, and the latest lines of the history. */
export async function showUser({ database }: Backends, login: string): Promise<number> {
  const user = await database.user.findUnique({ where: { login }, include: { balance: true } })
  if (user === null) {
    say(`There is no user ${JSON.stringify(login)}.`)
    return EXIT_NOT_RIGHT
  }
  const counts = await database.accrual.groupBy({
    by: ["status"],
    where: { userId: user.id },
    _count: true,
    orderBy: { status: "asc" },
  })
  const lines = await database.$queryRaw<Line[]>`
    SELECT a.version, format('+%s (%s)', coalesce(a.value, 0.00), a.status) AS change, o.number,
           a.balance_after::text AS "balanceAfter"
      FROM accruals a JOIN orders o ON o.id = a.order_id
     WHERE a.user_id = ${user.id} AND a.version IS NOT NULL
     UNION ALL
    SELECT w.version, format('-%s', w.value), o.number, w.balance_after::text
      FROM withdrawals w JOIN orders o ON o.id = w.order_id
     WHERE w.user_id = ${user.id}
     ORDER BY version DESC
     LIMIT ${LINES_SHOWN_MAX}`
  say(`user         ${user.login}, id ${user.id}`)
  say(`registered   ${user.createdAt.toISOString()}`)
  say(`balance      ${user.balance?.accrual.toFixed(2)}, version ${user.balance?.version}`)
  say(`withdrawn    ${user.balance?.withdrawal.toFixed(2)}`)
  say(
    `orders       ${counts.map(({ status, _count }) => `${_count} ${status}`).join(", ") || "none"}`,
  )
  for (const { version, change, number, balanceAfter } of lines) {
    say(`version ${String(version).padEnd(4)} ${change}, order ${number}, ${balanceAfter} after it`)
  }
  return 0
}
