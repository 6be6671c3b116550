import { Client } from "pg"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { createDatabase, type TestDatabase } from "../harness/database.ts"
import { createUser, recordOne } from "../harness/ledger.ts"
import { trigger } from "./scaled-object.ts"

describe("deploy/keda.yaml", () => {
  let database: TestDatabase
  let client: Client
  beforeAll(async () => {
    database = await createDatabase()
    client = new Client({ connectionString: database.url })
    await client.connect()
  })
  afterAll(async () => {
    await client.end()
    await database.drop()
  })

  it("asks the database for one number: the orders that more workers would ask about", async () => {
    const ask = async () => {
      const { rows } = await client.query<Record<string, number>>(trigger?.metadata.query ?? "")
      return rows.map((row) => Object.values(row))
    }
    expect(await ask()).toEqual([[0]])
    await recordOne(database.client, await createUser(database.client))
    expect(await ask()).toEqual([[1]])
    expect(Number(trigger?.metadata.targetQueryValue)).toBeGreaterThan(0)
  })
})
