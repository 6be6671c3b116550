import type { Database } from "@gofermart/shared/db/client.ts"
import type { RecordOutcome, Upload } from "@gofermart/shared/ledger/record-orders.ts"

/** In the place of the ledger call of an upload: a constant. */
export async function recordOrders(
  _database: Database,
  uploads: Upload[],
): Promise<RecordOutcome[]> {
  return uploads.map(() => "accepted")
}
