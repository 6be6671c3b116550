import { isDeepStrictEqual } from "node:util"
import { migrate } from "@gofermart/shared/migrate/migrate.ts"
import { expect, it } from "vitest"
import { createDatabase, testDatabase } from "../harness/database.ts"
import { eventually } from "../harness/eventually.ts"
import { newNumber } from "../harness/numbers.ts"
import { expectAllSettledOnce } from "../harness/invariants.ts"
import { startSystem } from "../harness/system.ts"

it("an installation in a schema of its own, with options in its URL, settles orders there", async () => {
  const database = await createDatabase()
  const url = `${database.url}?schema=loyalty&options=-c%20work_mem%3D5MB`
  await migrate(url)
  const system = await startSystem({
    backend: "postgresql",
    database: testDatabase(url, () => database.drop()),
  })
  await eventually("both can be written", async () => {
    const ready = await fetch(`${system.apiUrl}/readyz`)
    return isDeepStrictEqual(await ready.json(), { database: "ok", queue: "ok" })
  })
  const anna = await system.register()
  const number = newNumber()
  await system.simulator.know(number, 12)
  expect(await anna.upload(number)).toBe(202)
  await expectAllSettledOnce(system, [number])
  expect(await anna.balance()).toEqual({ current: 12, withdrawn: 0 })
  const [elsewhere] = await database.client.$queryRaw<object[]>`
    SELECT (SELECT count(*) FROM public.users)::int AS users,
           (SELECT count(*) FROM bullmq.event)::int AS events`
  expect(elsewhere).toEqual({ users: 0, events: 0 })
  await system.close()
})
