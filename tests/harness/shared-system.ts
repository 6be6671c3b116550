import type { Child } from "@gofermart/local-stack/child.ts"
import { Customer } from "@gofermart/local-stack/customer.ts"
import { inject } from "vitest"
import { atFileEnd } from "./at-end.ts"
import { type TestDatabase, testDatabase } from "./database.ts"
import { forgetLog, watchLog } from "./logs.ts"
import { newLogin } from "./numbers.ts"
import { openProcesses } from "./processes.ts"
import { TEST_SETTINGS } from "./settings.ts"
import type { SharedAddresses } from "./shared-systems.ts"

/**
 * An API with default settings, its database and its queue in there, which other test files have used
 * before: there are rows and jobs in it that are none of this file's. No worker polls its orders.
 */
export interface SharedSystem {
  apiUrl: string
  operatorsUrl: string
  database: Pick<TestDatabase, "url" | "client">
  /** Starts an API of the file's own beside it, with settings of its own if need be. */
  addApi(settings?: Record<string, string>): Promise<Child>
  register(): Promise<Customer>
  /** The id of the last user that there was before this file; 0 when there was none. */
  lastUserBefore: bigint
  /** Everything that the file's own instances have logged so far. */
  ownLogs(): Promise<string>
}

/**
 * Joins the system that the files of this vitest worker share, for the rest of the file. At the
 * file's end its own instances are stopped, and it fails when it has left a transaction open.
 */
export async function joinSharedSystem(): Promise<SharedSystem> {
  const url = `${inject("sharedSystems")}/${process.env["VITEST_POOL_ID"]}`
  const response = await fetch(url)
  if (!response.ok) throw new Error(await response.text())
  const { apiUrl, operatorsUrl, databaseUrl, queueUrl, logFile } =
    (await response.json()) as SharedAddresses
  watchLog(logFile)
  const processes = await openProcesses({
    ...TEST_SETTINGS,
    DATABASE_URL: databaseUrl,
    QUEUE_URL: queueUrl,
  })
  const database = testDatabase(databaseUrl, async () => {})
  atFileEnd(async () => {
    forgetLog(logFile)
    try {
      await database.expectNoneInTransaction()
    } finally {
      await database.client.$disconnect()
    }
  })
  const { _max } = await database.client.user.aggregate({ _max: { id: true } })
  return {
    apiUrl,
    operatorsUrl,
    database,
    addApi: (settings) => processes.start("api", settings),
    register: () => Customer.register(apiUrl, newLogin()),
    lastUserBefore: _max.id ?? 0n,
    ownLogs: () => processes.logs(),
  }
}
