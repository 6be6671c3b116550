import type { Customer } from "@gofermart/local-stack/customer.ts"
import { beforeAll, beforeEach, describe, expect, it } from "vitest"
import { newNumber } from "../harness/numbers.ts"
import { expectProblem } from "../harness/problem.ts"
import { joinSharedSystem, type SharedSystem } from "../harness/shared-system.ts"

describe("orders", () => {
  let system: SharedSystem
  let anna: Customer
  beforeAll(async () => {
    system = await joinSharedSystem()
  })
  beforeEach(async () => {
    anna = await system.register()
  })

  const upload = (body: string, type = "text/plain", customer = anna) =>
    customer.request("POST", "/api/user/orders", body, type)

  it("answers 202 to a new number, 200 to the same again, 409 to another user's", async () => {
    const number = newNumber()
    expect((await upload(number)).status).toBe(202)
    expect((await upload(number)).status).toBe(200)
    const boris = await system.register()
    await expectProblem(await upload(number, "text/plain", boris), 409, "order_taken")
  })

  it("has committed an order when it answers 202", async () => {
    const number = newNumber()
    await upload(number)
    const order = await system.database.client.order.findUnique({
      where: { number },
      include: { accrual: true },
    })
    expect(order?.accrual?.status).toBe("PROCESSING")
  })

  it("trims white space, and keeps leading zeros", async () => {
    const number = `00${newNumber()}`
    expect((await upload(` ${number}\r\n`, "text/plain; charset=utf-8")).status).toBe(202)
    expect((await anna.orders())[0]?.number).toBe(number)
  })

  it.each([
    ["an empty body", "", "text/plain"],
    ["white space", " \n ", "text/plain"],
    ["JSON", '"79927398713"', "application/json"],
    ["a form", "79927398713", "application/x-www-form-urlencoded"],
  ])("answers 400 to %s", async (_what, body, type) => {
    await expectProblem(await upload(body, type), 400, "malformed_request")
  })

  it.each([
    ["letters", "79927398713a"],
    ["a wrong check digit", "79927398710"],
    ["a sign", "+79927398713"],
    ["an exponent", "1e5"],
    ["spaces inside", "7992 7398 713"],
    ["full-width digits", "７９９２７３９８７１３"],
    ["256 digits", "0".repeat(256)],
    ["10,000 digits", "0".repeat(10_000)],
    ["SQL", "1'; DROP TABLE orders; --"],
  ])("answers 422 to %s", async (_what, body) => {
    await expectProblem(await upload(body), 422, "invalid_order_number")
  })

  it("answers 413 to a body that is too large", async () => {
    await expectProblem(await upload("0".repeat(2_000_000)), 413, "body_too_large")
  })

  it("lets one of a hundred simultaneous uploads of a number by two users be accepted", async () => {
    const boris = await system.register()
    const number = newNumber()
    const uploads = Array.from({ length: 100 }, (_, i) =>
      upload(number, "text/plain", i % 2 === 0 ? anna : boris),
    )
    const statuses = (await Promise.all(uploads)).map(({ status }) => status)
    expect(statuses.filter((status) => status === 202)).toHaveLength(1)
    expect(statuses.filter((status) => status === 200)).toHaveLength(49)
    expect(statuses.filter((status) => status === 409)).toHaveLength(50)
  })

  it("answers 204 to a list with nothing in it", async () => {
    const response = await anna.request("GET", "/api/user/orders")
    expect(response.status).toBe(204)
    expect(await response.text()).toBe("")
  })

  it("lists a user's own uploads, newest first, without an accrual while there is none", async () => {
    const numbers = [newNumber(), newNumber(), newNumber()]
    for (const number of numbers) await upload(number)
    const boris = await system.register()
    await upload(newNumber(), "text/plain", boris)
    const orders = await anna.orders()
    expect(orders.map(({ number }) => number)).toEqual(numbers.toReversed())
    expect(orders[0]).toEqual({
      number: numbers[2],
      status: "PROCESSING",
      uploaded_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
    })
  })

  it("lists each of many thousands of orders once, newest first", async () => {
    const COUNT = 2_500
    const numbers = Array.from({ length: COUNT }, newNumber)
    const login = anna.login
    const { id } = await system.database.client.user.findUniqueOrThrow({ where: { login } })
    await system.database.client.$queryRaw`
      SELECT count(*) FROM record_orders(
        array_fill(${id}::bigint, ARRAY[${COUNT}::int]), ${numbers}::text[], 1000)`
    const listed = await anna.orders()
    expect(listed.map(({ number }) => number).toSorted()).toEqual(numbers.toSorted())
    const times = listed.map(({ uploaded_at }) => uploaded_at)
    expect(times).toEqual(times.toSorted().toReversed())
  })
})
