import { sql } from "@gofermart/shared/db/client.ts"
import { eventually } from "./eventually.ts"
import { readInstant } from "./instants.ts"
import type { System } from "./system.ts"

/**
 * Resolves when a worker has requeued the order, because its lease was over. By then the order's job
 * was in the queue for as long as the lease: a worker that may poll has done so. One that is settled
 * is not requeued.
 */
export async function untilRequeued(system: System, number: string): Promise<void> {
  const requeueAt = () =>
    readInstant(
      system.database.client,
      sql`(SELECT requeue_at FROM accruals JOIN orders o ON o.id = order_id WHERE o.number = ${number})`,
    )
  const first = await requeueAt()
  await eventually(`order ${number} is requeued`, async () => (await requeueAt()) !== first)
}
