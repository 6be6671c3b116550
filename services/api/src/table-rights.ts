import type { TableRight } from "@gofermart/shared/db/table-right.ts"

/** What the API writes: accounts, their tokens and limits, orders, withdrawals, and what it sees of the queue. */
export const TABLE_RIGHTS: readonly TableRight[] = [
  ["users", "INSERT"],
  ["users", "UPDATE"],
  ["user_balances", "INSERT"],
  ["user_balances", "UPDATE"],
  ["orders", "INSERT"],
  ["orders", "UPDATE"],
  ["accruals", "INSERT"],
  ["accruals", "UPDATE"],
  ["withdrawals", "INSERT"],
  ["ended_tokens", "INSERT"],
  ["ended_tokens", "UPDATE"],
  ["throttles", "INSERT"],
  ["throttles", "UPDATE"],
  ["accrual_backlog", "INSERT"],
  ["accrual_backlog", "UPDATE"],
]
