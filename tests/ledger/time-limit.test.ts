import { openDatabase } from "@gofermart/shared/db/client.ts"
import { SERVICE_TIMEOUTS } from "@gofermart/shared/db/service-timeouts.ts"
import { withLimit } from "@gofermart/shared/db/time-limit.ts"
import { expect, it } from "vitest"
import { createDatabase } from "../harness/database.ts"

it("a connection goes back from a call's limit to the one that its URL sets", async () => {
  const { queueUrl, url } = await createDatabase()
  const client = openDatabase(`${queueUrl ?? url}?statement_timeout=3000`, "tests", {
    connectionsMax: 1,
    ...SERVICE_TIMEOUTS,
  })
  const ask = async () => {
    const [row] = await client.$queryRaw<[{ limit: string }]>`
      SELECT current_setting('statement_timeout') AS limit`
    return row.limit
  }
  const seen = [
    await ask(),
    await withLimit({ statementMs: 1_234, isLong: false }, ask),
    await ask(),
  ]
  expect(seen).toEqual(["3s", "1234ms", "3s"])
  await client.$disconnect()
})
