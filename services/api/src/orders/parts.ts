import type { Database } from "@gofermart/shared/db/client.ts"
import type { UserTurns } from "../http/user-turns.ts"
import type { OrderRecorder } from "./order-recorder.ts"
import type { OrderWaiter } from "./order-waiter.ts"
import type { Orders } from "./orders.ts"
import type { UnfinishedOrders } from "./unfinished.ts"

/** What the routes of orders have in common. */
export interface OrderParts {
  database: Database
  userTurns: UserTurns
  orderRecorder: OrderRecorder
  unfinished: UnfinishedOrders
  unfinishedOrdersMax: number
  orders: Orders
  orderWaiter: OrderWaiter
}
