import type { TableRight } from "@gofermart/shared/db/table-right.ts"

/** What a worker writes: verdicts and points, the fleet's pace, and how far the ledger is checked. */
export const TABLE_RIGHTS: readonly TableRight[] = [
  ["accruals", "UPDATE"],
  ["user_balances", "UPDATE"],
  ["contradictions", "INSERT"],
  ["contradictions", "UPDATE"],
  ["scoring_pause", "INSERT"],
  ["scoring_pause", "UPDATE"],
  ["scoring_pace", "INSERT"],
  ["scoring_pace", "UPDATE"],
  ["ledger_check", "UPDATE"],
]
