import { randomUUID } from "node:crypto"
import { API_RIGHTS, WORKER_RIGHTS } from "@gofermart/shared/db/needed-rights.ts"
import { waitForDatabase } from "@gofermart/shared/db/wait-for-database.ts"
import { migrate } from "@gofermart/shared/migrate/migrate.ts"
import { openAccrualQueue } from "@gofermart/shared/queue/backend.ts"
import { ConfigError } from "@gofermart/shared/runtime/env.ts"
import { createLogger } from "@gofermart/shared/runtime/logger.ts"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { describeOnBackends } from "../harness/backends.ts"
import { createEmptyDatabase, testDatabase, type TestDatabase } from "../harness/database.ts"
import { expectAllSettledOnce } from "../harness/invariants.ts"
import { newNumber } from "../harness/numbers.ts"
import { startSystem } from "../harness/system.ts"
import { operate, runSplit } from "../operator/run.ts"

const SETTLED_WITHIN_MS = 30_000
const RIGHTS = {
  tables: [...API_RIGHTS.tables, ...WORKER_RIGHTS.tables],
  functions: [...API_RIGHTS.functions, ...WORKER_RIGHTS.functions],
}
const silent = createLogger("tests", "silent")

const [running, migrating] = ["running", "migrating"].map(
  (name) => `${name}_${randomUUID().replaceAll("-", "")}`,
) as [string, string]

let empty: Awaited<ReturnType<typeof createEmptyDatabase>>
let database: TestDatabase
/** What the running role was granted, in single privileges on single objects. */
let single: { privilege: string; on: string; name: string }[]

const administer = (statement: string) => database.client.$executeRawUnsafe(statement)

function asRole(role: string): string {
  const url = new URL(empty.url)
  url.username = role
  url.password = role
  return url.href
}

/** A database whose owner gives nothing to everybody, and two roles that have what is printed for them. */
beforeAll(async () => {
  empty = await createEmptyDatabase()
  database = testDatabase(empty.url, async () => {})
  const name = new URL(empty.url).pathname.slice(1)
  for (const role of [running, migrating]) {
    await administer(`CREATE ROLE ${role} LOGIN PASSWORD '${role}'`)
  }
  await administer(`REVOKE ALL ON DATABASE ${name} FROM PUBLIC`)
  await administer("REVOKE ALL ON SCHEMA public FROM PUBLIC")
  await administer(
    `ALTER DEFAULT PRIVILEGES FOR ROLE ${migrating} REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC`,
  )
  const args = ["grants", running, "--migrating", migrating]
  const { code, printed } = await runSplit({ DATABASE_URL: asRole(running) }, args)
  expect(code).toBe(0)
  const statements = printed.split("\n").filter((line) => line.startsWith("GRANT"))
  const [before, after] = [migrating, running].map((role) =>
    statements.filter((line) => line.endsWith(`TO "${role}";`)),
  ) as [string[], string[]]
  for (const statement of before) await administer(statement)
  await migrate(asRole(migrating))
  for (const statement of after) await administer(statement)
  single = after.flatMap(singleGrants)
})
afterAll(async () => {
  for (const role of [running, migrating]) {
    await administer(`DROP OWNED BY ${role}`)
    await administer(`DROP ROLE ${role}`)
  }
  await database.drop()
  await empty.drop()
})

describeOnBackends("A role with what `grants` prints, and nothing else", (backend) => {
  it("runs an order, a withdrawal and every command", async () => {
    const system = await startSystem({
      backend,
      database: {
        ...database,
        url: asRole(running),
        drop: async () => {},
      },
    })
    await system.simulator.behave({ autoRegister: true })
    const anna = await system.register()
    const number = newNumber()
    expect(await anna.upload(number)).toBe(202)
    await expectAllSettledOnce(system, [number], SETTLED_WITHIN_MS)
    await anna.withdraw(newNumber(), 0.01)
    await system.simulator.behave({ autoRegister: false })
    const waiting = newNumber()
    expect(await anna.upload(waiting)).toBe(202)
    const day = (shift: number) =>
      new Date(Date.now() + shift * 86_400_000).toISOString().slice(0, 10)
    for (const args of [
      ["verify"],
      ["order", number],
      ["user", anna.login],
      ["contradictions"],
      ["requeue", waiting],
      ["requeue", "--all"],
    ]) {
      expect({ args, ...(await operate(system, ...args)) }).toMatchObject({ args, code: 0 })
    }
    const env = {
      DATABASE_URL: system.database.url,
      QUEUE_URL: system.queueUrl,
      SCORING_URL: system.simulator.url,
    }
    const recheck = await runSplit(env, ["recheck", "--from", day(-1), "--to", day(1)])
    // 1: of the other queue's order this scoring system knows nothing.
    expect([0, 1]).toContain(recheck.code)
    await system.close()
  })
})

describe("Each grant taken away", () => {
  it("ends a process with a sentence that names it", async () => {
    expect(single.length).toBeGreaterThan(30)
    const url = asRole(running)
    for (const { privilege, on, name } of single) {
      await administer(`REVOKE ${privilege} ON ${on} ${name} FROM ${running}`)
      const opening = async () => {
        await waitForDatabase(url, RIGHTS, silent)
        const queue = await openAccrualQueue(url, silent)
        await queue.close()
      }
      const error: unknown = await opening().catch((caught: unknown) => caught)
      expect({ privilege, on, name, error }).toMatchObject({ error: expect.any(ConfigError) })
      const said = (error as Error).message.replaceAll('"', "")
      const names = new RegExp(`GRANT [A-Z, ]*${privilege}[A-Z, ]* ON ${on} .*${bare(name)}`)
      expect(said).toMatch(names)
      await administer(`GRANT ${privilege} ON ${on} ${name} TO ${running}`)
    }
    await waitForDatabase(url, RIGHTS, silent)
    await (await openAccrualQueue(url, silent)).close()
  })
})

function bare(name: string): string {
  return name.replaceAll('"', "").replaceAll(".", "\\.")
}

function singleGrants(statement: string): { privilege: string; on: string; name: string }[] {
  const [, privileges = "", on = "", names = ""] =
    /^GRANT ([A-Z, ]+) ON ([A-Z ]+) (".*) TO /.exec(statement) ?? []
  return privileges
    .split(", ")
    .flatMap((privilege) => names.split(", ").map((name) => ({ privilege, on, name })))
}
