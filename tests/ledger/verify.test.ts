import { verifyLedger } from "@gofermart/shared/ledger/verify.ts"
import { withdraw } from "@gofermart/shared/ledger/withdraw.ts"
import { pointsFromHundredths } from "@gofermart/shared/domain/points.ts"
import { beforeEach, describe, expect, it } from "vitest"
import { createDatabase, type TestDatabase } from "../harness/database.ts"
import { createUserWithPoints } from "../harness/ledger.ts"
import { newNumber } from "../harness/numbers.ts"

describe("the verification of the ledger", () => {
  let test: TestDatabase
  let userId: bigint
  let orderId: bigint
  beforeEach(async () => {
    test = await createDatabase()
    ;({ userId, orderId } = await createUserWithPoints(test.client, 1_000))
    const value = pointsFromHundredths(250)
    const number = newNumber()
    await withdraw(test.client, { userId, idempotencyKey: "a", number, value, ownedOnly: false })
  })

  const reasons = async () =>
    (await verifyLedger(test.client)).discrepancies.map(({ reason }) => reason)

  it("finds nothing wrong with a sound ledger and adds it up", async () => {
    expect(await verifyLedger(test.client)).toEqual({
      users: 1,
      orders: { NEW: 1, PROCESSED: 1 },
      withdrawals: 1,
      credited: "10.00",
      withdrawn: "2.50",
      discrepancyCount: 0,
      discrepancies: [],
    })
  })

  it("finds a balance that was changed by hand", async () => {
    await test.client.userBalance.update({ where: { userId }, data: { accrual: 7.51 } })
    expect(await reasons()).toEqual(["the balance is 7.51, the rows say 7.50"])
  })

  it("finds a wrong sum of what was spent", async () => {
    await test.client.userBalance.update({ where: { userId }, data: { withdrawal: 2 } })
    expect(await reasons()).toEqual(["the sum spent is 2.00, the rows say 2.50"])
  })

  it("finds an accrual that was changed after it was credited", async () => {
    await test.client.accrual.update({ where: { orderId }, data: { value: 11 } })
    expect(await reasons()).toEqual([
      "the balance is 7.50, the rows say 8.50; a line states a wrong balance",
    ])
  })

  it("finds a withdrawal that is gone", async () => {
    await test.client.withdrawal.deleteMany()
    expect(await reasons()).toEqual([
      "the balance is 7.50, the rows say 10.00; the sum spent is 2.50, the rows say 0.00",
    ])
  })

  it("finds a version that was given twice or is newer than its balance", async () => {
    await test.client.accrual.update({ where: { orderId }, data: { version: 2 } })
    expect((await reasons()).join()).toContain("two lines share a version")
    await test.client.accrual.update({ where: { orderId }, data: { version: 3 } })
    expect((await reasons()).join()).toContain("a line is newer than the balance")
  })

  it("finds an order without an accrual and a user without a balance", async () => {
    await test.client.$executeRaw`
      INSERT INTO orders (user_id, number, uploaded_at) VALUES (${userId}, '18', now())`
    expect(await reasons()).toEqual(["order 18 has no accrual"])
    await test.client.user.create({ data: { login: "nobody", password: "-" } })
    expect(await reasons()).toContain("there is no balance row")
  })

  it("counts all that is wrong, and names the first of it", async () => {
    await test.client.$executeRaw`
      INSERT INTO users (login, password) SELECT 'user-' || i, '-' FROM generate_series(1, 101) AS i`
    const { discrepancyCount, discrepancies } = await verifyLedger(test.client)
    expect([discrepancyCount, discrepancies.length]).toEqual([101, 100])
  })

  it("finds a withdrawal against another user's order", async () => {
    const { orderId: others } = await createUserWithPoints(test.client, 100)
    await test.client.withdrawal.updateMany({ data: { orderId: others } })
    expect((await reasons()).join()).toMatch(/^a withdrawal is against order \d+ of another user$/)
  })

  it("finds an accrual that names another user than its order", async () => {
    const { userId: another } = await createUserWithPoints(test.client, 100)
    await test.client.accrual.update({ where: { orderId }, data: { userId: another, version: 9 } })
    expect((await reasons()).join()).toMatch(/the accrual of order \d+ names another user/)
  })
})
