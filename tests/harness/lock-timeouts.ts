import type { Database } from "@gofermart/shared/db/client.ts"

/**
 * Lets the ledger's functions wait for a lock longer than the product does. For tests in which many
 * calls wait for one row: how long the last of them waits depends on the machine. Two that wait for each
 * other do so until one gives up, and its call fails: PostgreSQL would end the wait sooner, and the call
 * be repeated.
 */
export async function waitLongForLocks(client: Database): Promise<void> {
  for (const name of ["record_orders", "settle_accruals", "withdraw"]) {
    await client.$executeRawUnsafe(
      `ALTER FUNCTION ${name} SET lock_timeout = '25s' SET deadlock_timeout = '60s'`,
    )
  }
}
