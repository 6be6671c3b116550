import type { AccrualStatus } from "@gofermart/shared/domain/accrual-status.ts"
import { verifyLedger } from "@gofermart/shared/ledger/verify.ts"
import { SingleBar } from "cli-progress"
import { type Backends, EXIT_NOT_RIGHT, say } from "./command-line/backends.ts"
import { describeCounts } from "./order-counts.ts"

/** Checks every balance against the rows that explain it, and tells what it found. */
export async function verify({ database }: Backends): Promise<number> {
  const bar = new SingleBar({ format: "[{bar}] {value} of {total} users", clearOnComplete: true })
  bar.start(await database.user.count(), 0)
  const report = await verifyLedger(database, (users) => bar.update(users))
  bar.stop()
  say(`users        ${report.users}`)
  say(`orders       ${describeCounts(Object.entries(report.orders) as [AccrualStatus, number][])}`)
  say(`credited     ${report.credited}`)
  say(`withdrawn    ${report.withdrawn} in ${report.withdrawals} withdrawals`)
  for (const { login, reason } of report.discrepancies) say(`WRONG        ${login}: ${reason}`)
  if (report.discrepancyCount > 0) {
    const untold = report.discrepancyCount - report.discrepancies.length
    say(`${report.discrepancyCount} discrepancies${untold > 0 ? `, ${untold} not told` : ""}.`)
    return EXIT_NOT_RIGHT
  }
  say("Every balance is explained to the hundredth.")
  return 0
}
