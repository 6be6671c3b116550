import { execFile } from "node:child_process"
import { mkdtemp, readFile, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { afterAll, beforeAll, describe, expect, expectTypeOf, it } from "vitest"
import {
  createGofermartClient,
  followEvents,
  type GofermartClient,
  type Schemas,
} from "@gofermart/client"
import { newLogin, newNumber } from "../harness/numbers.ts"
import { joinSharedSystem, type SharedSystem } from "../harness/shared-system.ts"
import { settleUpload } from "./settle-upload.ts"

const clientPackage = fileURLToPath(new URL("../../packages/client/", import.meta.url))

describe("what the client is generated from", () => {
  let folder: string
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "gofermart-client-"))
    const generate = join(clientPackage, "src/generate.ts")
    await promisify(execFile)(process.execPath, [generate, folder])
  })
  afterAll(() => rm(folder, { recursive: true }))

  it.each(["openapi.json", "src/generated/api.ts"])("is the API as it is now: %s", async (file) => {
    const [committed, now] = await Promise.all(
      [clientPackage, folder].map((at) => readFile(join(at, file), "utf8")),
    )
    expect(committed === now, "run `pnpm client:generate` and review what it changes").toBe(true)
  })
})

describe("the client", () => {
  let system: SharedSystem
  beforeAll(async () => {
    system = await joinSharedSystem()
  })

  const register = async () => {
    const body = { login: newLogin(), password: "correct horse battery staple" }
    const { data } = await createGofermartClient(system.apiUrl).POST("/api/user/register", { body })
    return { token: data?.access_token ?? "" }
  }
  const earn = async (client: GofermartClient, hundredths: number) => {
    const number = newNumber()
    const params = { header: { prefer: "wait=30" } }
    const uploading = client.POST("/api/user/orders", { body: number, params })
    await settleUpload(system.database, number, hundredths)
    return uploading
  }
  const withdraw = (client: GofermartClient, order: string, sum: number) =>
    client.POST("/api/user/balance/withdraw", {
      body: { order, sum },
      params: { header: { "idempotency-key": order } },
    })

  it("earns, spends once under a key, and knows what is left", async () => {
    const client = createGofermartClient(system.apiUrl, await register())
    const earned = await earn(client, 729_98)
    expect(earned.response.status).toBe(202)
    expect(earned.data).toMatchObject({ status: "PROCESSED", accrual: 729.98 })
    const paid = newNumber()
    for (let i = 0; i < 2; i++) {
      const { response } = await withdraw(client, paid, 100.01)
      expect(response.status).toBe(200)
    }
    const balance = await client.GET("/api/user/balance")
    expect(balance.data).toEqual({ current: 629.97, withdrawn: 100.01 })
    const withdrawals = await client.GET("/api/user/withdrawals")
    expect(withdrawals.data).toMatchObject([{ order: paid, sum: 100.01 }])
  })

  it("gives no order to an upload that did not ask for it, and its types say so", async () => {
    const client = createGofermartClient(system.apiUrl, await register())
    const { data, response } = await client.POST("/api/user/orders", { body: newNumber() })
    expect([response.status, data]).toEqual([202, undefined])
    expectTypeOf(data).toEqualTypeOf<Schemas["Order"] | undefined>()
  })

  it("gives a refusal as a problem with one of the codes that the operation has", async () => {
    const client = createGofermartClient(system.apiUrl, await register())
    const { data, error, response } = await withdraw(client, newNumber(), 0.01)
    expect([response.status, data]).toEqual([402, undefined])
    expect(error).toMatchObject({ status: 402, code: "not_enough_points" })
    expectTypeOf<"not_enough_points">().toExtend<NonNullable<typeof error>["code"]>()
    expectTypeOf<"login_taken">().not.toExtend<NonNullable<typeof error>["code"]>()
  })

  it("follows an account across a restart of the API, until it is told to stop", async () => {
    const account = await register()
    const client = createGofermartClient(system.apiUrl, account)
    const other = await system.addApi()
    const otherUrl = other.details["url"] ?? ""
    const elsewhere = createGofermartClient(otherUrl, account)
    const stop = new AbortController()
    const stream = followEvents(elsewhere, { signal: stop.signal, lastEventId: "0" })

    const earned = await earn(client, 50_00)
    expect((await stream.next()).value).toMatchObject({
      id: "1",
      event: "order",
      data: { order: earned.data, balance: 50 },
    })
    other.kill("SIGKILL")
    await other.exited
    const paid = newNumber()
    await withdraw(client, paid, 0.5)
    const next = stream.next()
    await system.addApi({ RUN_ADDRESS: new URL(otherUrl).host })
    expect((await next).value).toMatchObject({
      id: "2",
      event: "withdrawal",
      data: { withdrawal: { order: paid, sum: 0.5 }, balance: 49.5 },
    })
    const none = stream.next()
    stop.abort()
    expect(await none).toEqual({ done: true, value: undefined })
  })

  it("says that events are refused, rather than asking forever", async () => {
    const { signal } = new AbortController()
    const stranger = createGofermartClient(system.apiUrl, { token: "none" })
    await expect(followEvents(stranger, { signal }).next()).rejects.toMatchObject({
      name: "RefusedError",
      problem: { code: "unauthenticated" },
    })
  })
})
