import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { startSystem, type System } from "../harness/system.ts"

const PASSWORD = "an operator's password"

describe("the operators' board", () => {
  let system: System
  let guarded: System
  beforeAll(async () => {
    system = await startSystem({ backend: "postgresql", workers: 0 })
    const env = { OPERATORS_PASSWORD: PASSWORD }
    guarded = await startSystem({ backend: "postgresql", workers: 0, env })
  })
  afterAll(async () => {
    await system.close()
    await guarded.close()
  })

  const basic = (login: string, password: string) => ({
    authorization: `Basic ${Buffer.from(`${login}:${password}`).toString("base64")}`,
  })

  it("is on a listener of its own and shows the queue", async () => {
    const board = await fetch(system.operatorsUrl)
    expect(board.status).toBe(200)
    expect(await board.text()).toContain("Gofermart")
    const queues = await fetch(`${system.operatorsUrl}/api/queues`)
    expect(await queues.text()).toContain('"accrual"')
    expect((await fetch(`${system.apiUrl}/api/queues`)).status).toBe(404)
  })

  it("is nobody's without the credentials that were set", async () => {
    const statuses = await Promise.all(
      [{}, basic("operator", "wrong"), basic("other", PASSWORD), basic("operator", PASSWORD)].map(
        async (headers) => (await fetch(`${guarded.operatorsUrl}/api/queues`, { headers })).status,
      ),
    )
    expect(statuses).toEqual([401, 401, 401, 200])
  })

  it.each([
    ["says so", { "sec-fetch-site": "cross-site" }],
    ["names its origin", { origin: "http://evil.example" }],
  ])("takes no action for another site's page whose browser %s", async (_way, headers) => {
    const pause = `${system.operatorsUrl}/api/queues/accrual/pause`
    const response = await fetch(pause, {
      method: "PUT",
      headers: headers as Record<string, string>,
    })
    expect(response.status).toBe(403)
    expect((await fetch(pause, { method: "PUT" })).status).toBe(200)
  })
})
