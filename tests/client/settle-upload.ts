import type { OrderNumber } from "@gofermart/shared/domain/order-number.ts"
import type { TestDatabase } from "../harness/database.ts"
import { eventually } from "../harness/eventually.ts"
import { processed, settleOne } from "../harness/ledger.ts"

/** Settles an order as soon as it is recorded, as a worker would: it earns these points. */
export async function settleUpload(
  { client }: Pick<TestDatabase, "client">,
  number: OrderNumber,
  hundredths: number,
): Promise<void> {
  const { id } = await eventually("the order is recorded", async () => {
    return (await client.order.findUnique({ where: { number } })) ?? undefined
  })
  await settleOne(client, id, processed(hundredths))
}
