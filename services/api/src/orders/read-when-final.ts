import { isSettled } from "@gofermart/shared/domain/accrual-status.ts"
import { atOnceFor } from "@gofermart/shared/http/network.ts"
import type { FastifyReply } from "fastify"
import { onDisconnect } from "../http/on-disconnect.ts"
import { PREFERENCE_APPLIED } from "../http/prefer.ts"
import { OrderRef, type OrderView, showRow } from "./order-view.ts"
import type { OrderParts } from "./parts.ts"

/** Longer than anybody may wait for a result. */
export const WAITING_TIMEOUT_MS = 90_000

/** The description of an answer that carries an order, and may have been waited for. */
export const anOrder = (description: string) => ({
  description,
  headers: PREFERENCE_APPLIED,
  content: { "application/json": { schema: OrderRef } },
})

/** Reads an order of the user who asks: now, or when it is final if the client is to wait. */
export async function readWhenFinal(
  reply: FastifyReply,
  { orders, orderWaiter }: OrderParts,
  number: string,
  waitS: number | undefined,
): Promise<OrderView | undefined> {
  const { userId, clientAddress } = reply.request
  const order = await orders.read({ userId, number })
  if (order === undefined || waitS === undefined) return order && showRow(order)
  const settled = isSettled(order.status)
  const disconnected = onDisconnect(reply)
  const holder = { userId, networks: atOnceFor(clientAddress) }
  const waited =
    settled || (await orderWaiter.wait({ holder, number, waitMs: waitS * 1_000, disconnected }))
  // Whoever has hung up is read nothing for.
  const now =
    settled || !waited || disconnected.aborted ? order : await orders.read({ userId, number })
  if (waited) reply.header("preference-applied", `wait=${waitS}`)
  return now && showRow(now)
}
