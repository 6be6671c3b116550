import { sql } from "@gofermart/shared/db/client.ts"
import { showInstant, usOf } from "@gofermart/shared/db/instants.ts"
import { type Line, readLinesBefore, VERSION_MAX } from "@gofermart/shared/ledger/history.ts"
import { type Backends, EXIT_NOT_RIGHT, say } from "./command-line/backends.ts"
import { describeCounts } from "./order-counts.ts"

const LINES_SHOWN_MAX = 10

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
  const [registered] = await database.$queryRaw<[{ us: bigint }]>`
    SELECT ${usOf(sql`created_at`)} AS us FROM users WHERE id = ${user.id}`
  const lines = await readLinesBefore(database, user.id, VERSION_MAX, LINES_SHOWN_MAX, "all")
  say(`user         ${user.login}, id ${user.id}`)
  say(`registered   ${showInstant(registered.us)}`)
  say(`balance      ${user.balance?.accrual.toFixed(2)}, version ${user.balance?.version}`)
  say(`withdrawn    ${user.balance?.withdrawal.toFixed(2)}`)
  say(`orders       ${describeCounts(counts.map(({ status, _count }) => [status, _count]))}`)
  for (const line of lines) {
    const version = String(line.version).padEnd(4)
    const balance = line.balanceAfter.toFixed(2)
    say(`version ${version} ${describeChange(line)}, order ${line.number}, ${balance} after it`)
  }
  return 0
}

function describeChange({ kind, status, value }: Line): string {
  switch (kind) {
    case "accrual":
      return `+${value?.toFixed(2) ?? "0.00"} (${status})`
    case "withdrawal":
      return `-${value.toFixed(2)}`
  }
}
