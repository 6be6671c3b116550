import type { AccrualStatus } from "@gofermart/shared/domain/accrual-status.ts"
import type { RecordOutcome } from "@gofermart/shared/ledger/record-orders.ts"
import type { Settlement } from "@gofermart/shared/ledger/settle-accruals.ts"
import type { WithdrawOutcome } from "@gofermart/shared/ledger/withdraw.ts"

/** What a customer or the scoring system can do to the ledger. Users and orders are places in lists. */
export type Operation =
  | { do: "upload"; user: number; order: number }
  | { do: "withdraw"; user: number; order: number; hundredths: number; key: string }
  | { do: "settle"; order: number; answer: Answer }

type Answer =
  | { kind: "PROCESSED"; hundredths: number }
  | { kind: "INVALID" }
  | { kind: "NOT_FINAL" }
  | { kind: "NOT_REGISTERED" }

/** What the ledger says about it; of a repeated withdrawal `withdrawn`, as over HTTP. */
export type Outcome = RecordOutcome | WithdrawOutcome | Settlement["outcome"]

interface Account {
  current: number
  withdrawn: number
  /** Raised by every withdrawal, and by every order that is settled. */
  version: number
  /** What moved points, oldest first. */
  lines: { version: number; order: number; hundredths: number; balance: number }[]
  withdrawals: Record<string, { order: number; hundredths: number }>
}

interface Order {
  owner: number
  status: AccrualStatus
  hundredths: number
  /** Whether the scoring system said last that it does not know the order. */
  isUnknown: boolean
}

/**
 * The ledger as a customer could keep it on paper: what each operation must answer and leave behind
 * when nothing else happens meanwhile, and with a grace time of zero.
 */
export interface Model {
  accounts: Account[]
  orders: Record<number, Order>
}

export function newModel(users: number): Model {
  const account = () => ({ current: 0, withdrawn: 0, version: 0, lines: [], withdrawals: {} })
  return { accounts: Array.from({ length: users }, account), orders: {} }
}

/** Does the operation to the model, and gives the outcome that it must have. */
export function apply(model: Model, operation: Operation): Outcome {
  switch (operation.do) {
    case "upload":
      return upload(model, operation)
    case "withdraw":
      return withdraw(model, operation)
    case "settle":
      return settle(model, operation)
  }
}

function upload(model: Model, { user, order: number }: Operation & { do: "upload" }): Outcome {
  const order = model.orders[number]
  if (order === undefined) {
    model.orders[number] = newOrder(user, "PROCESSING")
    return "accepted"
  }
  if (order.owner !== user) return "taken"
  if (order.status !== "NEW" && order.status !== "UNREGISTERED") return "already_uploaded"
  model.orders[number] = newOrder(user, "PROCESSING")
  return "accepted"
}

function withdraw(model: Model, operation: Operation & { do: "withdraw" }): Outcome {
  const { user, order: number, hundredths, key } = operation
  const account = accountOf(model, user)
  const earlier = account.withdrawals[key]
  if (earlier !== undefined) {
    const isSame = earlier.order === number && earlier.hundredths === hundredths
    return isSame ? "withdrawn" : "key_reused"
  }
  if ((model.orders[number]?.owner ?? user) !== user) return "not_owned"
  if (account.current < hundredths) return "not_enough"
  model.orders[number] ??= newOrder(user, "NEW")
  account.withdrawals[key] = { order: number, hundredths }
  account.withdrawn += hundredths
  move(account, number, -hundredths)
  return "withdrawn"
}

function settle(model: Model, { order: number, answer }: Operation & { do: "settle" }): Outcome {
  const order = model.orders[number]
  if (order === undefined || order.status === "NEW") return "not_awaited"
  const isVerdict = answer.kind === "PROCESSED" || answer.kind === "INVALID"
  if (order.status === "PROCESSED" || order.status === "INVALID") {
    const hundredths = answer.kind === "PROCESSED" ? answer.hundredths : 0
    const isSame = order.status === answer.kind && order.hundredths === hundredths
    return isSame || !isVerdict ? "already_settled" : "contradicted"
  }
  if (!isVerdict && order.status === "UNREGISTERED") return "already_settled"
  if (answer.kind === "NOT_FINAL" || (answer.kind === "NOT_REGISTERED" && !order.isUnknown)) {
    order.isUnknown = answer.kind === "NOT_REGISTERED"
    return "waiting"
  }
  order.status = answer.kind === "NOT_REGISTERED" ? "UNREGISTERED" : answer.kind
  order.hundredths = answer.kind === "PROCESSED" ? answer.hundredths : 0
  move(accountOf(model, order.owner), number, order.hundredths)
  return "settled"
}

function newOrder(owner: number, status: AccrualStatus): Order {
  return { owner, status, hundredths: 0, isUnknown: false }
}

function accountOf(model: Model, user: number): Account {
  const account = model.accounts[user]
  if (account === undefined) throw new Error(`there is no user ${user}`)
  return account
}

/** What moves no points makes a version all the same, but no line. */
function move(account: Account, order: number, hundredths: number): void {
  account.current += hundredths
  account.version += 1
  const { version, current: balance } = account
  if (hundredths !== 0) account.lines.push({ version, order, hundredths, balance })
}

/**
 * Finds an order in which the operations, one after another, have these outcomes and leave what
 * `isPossible` agrees to after each step and `isRight` at the end; gives what they leave, or
 * undefined when there is none.
 */
export function explain(
  model: Model,
  done: { operation: Operation; outcome: Outcome }[],
  isPossible: (model: Model) => boolean,
  isRight: (model: Model) => boolean,
): Model | undefined {
  if (done.length === 0) return isRight(model) ? model : undefined
  for (const [i, { operation, outcome }] of done.entries()) {
    const next = structuredClone(model)
    if (apply(next, operation) !== outcome || !isPossible(next)) continue
    const explained = explain(next, done.toSpliced(i, 1), isPossible, isRight)
    if (explained !== undefined) return explained
  }
  return undefined
}
