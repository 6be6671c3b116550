import { afterAll, beforeAll, describe, expect, inject, it } from "vitest"
import { startSystem, type System } from "../harness/system.ts"
import { fuzz, FUZZED_SETTINGS } from "./fuzz.ts"

const REQUESTS = 300
const SEED = 15

describe("the API, whatever is sent to it", () => {
  let system: System
  beforeAll(async () => {
    system = await startSystem({ backend: "postgresql", workers: 0, env: FUZZED_SETTINGS })
  })
  afterAll(() => system.close())

  it("answers as it is described, and mixes nothing and nobody up", async () => {
    const { findings } = await fuzz({
      ...system,
      databaseUrl: system.database.url,
      database: system.database.client,
      openapi: inject("openapi"),
      requests: REQUESTS,
      seed: SEED,
      // `refusals/transport.test.ts` waits for them.
      stalls: false,
    })
    expect(findings.join("\n\n")).toBe("")
  })
})
