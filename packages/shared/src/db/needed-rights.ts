/** A table, and what somebody does to it. */
export type TableRight = readonly [table: string, right: "INSERT" | "UPDATE" | "DELETE"]

/** What a program does in the schema of an installation, beside reading every table. */
export interface NeededRights {
  tables: readonly TableRight[]
  /** It calls them. */
  functions: readonly string[]
}

/** The tables of this system; each service reads all of them that are there. */
export const TABLES = [
  "users",
  "user_balances",
  "orders",
  "accruals",
  "withdrawals",
  "contradictions",
  "scoring_pause",
  "scoring_pace",
  "throttles",
  "accrual_backlog",
  "ledger_check",
  "ended_tokens",
]

/** What the API writes: accounts, their tokens and limits, orders, withdrawals, and what it sees of the queue. */
export const API_RIGHTS: NeededRights = {
  tables: [
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
  ],
  functions: ["record_orders", "withdraw"],
}

/** What a worker writes: verdicts and points, the fleet's pace, and how far the ledger is checked. */
export const WORKER_RIGHTS: NeededRights = {
  tables: [
    ["accruals", "UPDATE"],
    ["user_balances", "UPDATE"],
    ["contradictions", "INSERT"],
    ["contradictions", "UPDATE"],
    ["scoring_pause", "INSERT"],
    ["scoring_pause", "UPDATE"],
    ["scoring_pace", "INSERT"],
    ["scoring_pace", "UPDATE"],
    ["ledger_check", "UPDATE"],
  ],
  functions: ["settle_accruals"],
}
