import { readFileSync } from "node:fs"
import { Client } from "pg"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { parseAllDocuments } from "yaml"
import { createDatabase, type TestDatabase } from "../harness/database.ts"
import { createUser, recordOne } from "../harness/ledger.ts"
import { repository } from "./compose.ts"

interface ScaledObject {
  kind: string
  spec: {
    minReplicaCount: number
    triggers: {
      type: string
      metadata: { query: string; targetQueryValue: string }
      authenticationRef: { name: string }
    }[]
  }
}
interface TriggerAuthentication {
  kind: string
  metadata: { name: string }
  spec: { secretTargetRef: { parameter: string }[] }
}

describe("deploy/keda.yaml", () => {
  const text = readFileSync(`${repository}deploy/keda.yaml`, "utf8")
  const documents = [...parseAllDocuments(text)]
  const [scaled, authentication] = documents.map((document) => document.toJS() as unknown) as [
    ScaledObject,
    TriggerAuthentication,
  ]
  const [trigger] = scaled.spec.triggers
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

  it("is YAML of two documents, the second with the connection for the first", () => {
    expect(documents.flatMap(({ errors }) => errors)).toEqual([])
    expect([scaled.kind, authentication.kind]).toEqual(["ScaledObject", "TriggerAuthentication"])
    expect(trigger?.authenticationRef.name).toBe(authentication.metadata.name)
    expect(authentication.spec.secretTargetRef.map(({ parameter }) => parameter)).toEqual([
      "connection",
    ])
  })

  it("keeps a worker, for the ledger's check and the queue's lost jobs", () => {
    expect(scaled.spec.minReplicaCount).toBe(1)
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
