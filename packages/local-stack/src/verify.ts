import { openDatabase } from "@gofermart/shared/db/client.ts"
import { verifyLedger } from "@gofermart/shared/ledger/verify.ts"
import { withContractNames } from "@gofermart/shared/runtime/env.ts"
import { readRunning } from "./data-folder.ts"

/** The whole ledger is read in one statement. */
const STATEMENT_TIMEOUT_MS = 3_600_000
const EXIT_DISCREPANCIES = 1
const EXIT_NOT_CHECKED = 2

const say = (line: string) => process.stdout.write(`${line}\n`)
const databaseUrl =
  withContractNames(process.env)["DATABASE_URL"] ?? (await readRunning())?.databaseUrl
if (databaseUrl === undefined) {
  say("Nothing to verify: start Gofermart, or set DATABASE_URL.")
  process.exit(EXIT_NOT_CHECKED)
}

const database = openDatabase(databaseUrl, "gofermart-verify", {
  connectionsMax: 1,
  connectTimeoutMs: 10_000,
  statementTimeoutMs: STATEMENT_TIMEOUT_MS,
})
try {
  const report = await verifyLedger(database)
  const orders = Object.entries(report.orders).map(([status, count]) => `${count} ${status}`)
  say(`users        ${report.users}`)
  say(`orders       ${orders.join(", ") || "none"}`)
  say(`credited     ${report.credited}`)
  say(`withdrawn    ${report.withdrawn} in ${report.withdrawals} withdrawals`)
  for (const { login, reason } of report.discrepancies) say(`WRONG        ${login}: ${reason}`)
  say(
    report.discrepancies.length === 0
      ? "Every balance is explained to the hundredth."
      : `${report.discrepancies.length} discrepancies.`,
  )
  process.exitCode = report.discrepancies.length === 0 ? 0 : EXIT_DISCREPANCIES
} catch (error) {
  say(`The ledger could not be read: ${error instanceof Error ? error.message : String(error)}`)
  process.exitCode = EXIT_NOT_CHECKED
} finally {
  await database.$disconnect()
}
