import type { OrderNumber } from "@gofermart/shared/domain/order-number.ts"
import { pointsFromHundredths } from "@gofermart/shared/domain/points.ts"
import { recordOrders } from "@gofermart/shared/ledger/record-orders.ts"
import { verifyLedger } from "@gofermart/shared/ledger/verify.ts"
import { withdraw } from "@gofermart/shared/ledger/withdraw.ts"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { createDatabase, type TestDatabase } from "../harness/database.ts"
import {
  balanceOf,
  createUser,
  createUserWithPoints,
  LEASE_MS,
  processed,
  recordOne,
  settleOne,
} from "../harness/ledger.ts"
import { waitLongForLocks } from "../harness/lock-timeouts.ts"
import { newNumber } from "../harness/numbers.ts"
import { sql } from "@gofermart/shared/db/client.ts"
import { readInstant } from "../harness/instants.ts"

let keys = 0

describe("withdrawing", () => {
  let test: TestDatabase
  beforeAll(async () => {
    test = await createDatabase()
    await waitLongForLocks(test.client)
  })
  afterAll(async () => {
    const { discrepancies } = await verifyLedger(test.client)
    expect(discrepancies).toEqual([])
    await test.drop()
  })

  const spend = (
    userId: bigint,
    number: OrderNumber,
    hundredths: number,
    more: { idempotencyKey?: string; ownedOnly?: boolean } = {},
  ) => {
    keys += 1
    const value = pointsFromHundredths(hundredths)
    const defaults = { idempotencyKey: `key-${keys}`, ownedOnly: false }
    return withdraw(test.client, { userId, number, value, ...defaults, ...more })
  }

  it("moves points from the balance to what was spent, against a number nobody uploaded", async () => {
    const { userId } = await createUserWithPoints(test.client, 72_998)
    const number = newNumber()
    expect(await spend(userId, number, 10_001)).toBe("withdrawn")
    const balance = { current: "629.97", withdrawn: "100.01", version: 2 }
    expect(await balanceOf(test.client, userId)).toEqual(balance)
    const order = await test.client.order.findUniqueOrThrow({
      where: { number },
      include: { accrual: true },
    })
    expect(order).toMatchObject({ userId, accrual: { status: "NEW" } })
    const uploadedAt = sql`(SELECT uploaded_at FROM orders WHERE number = ${number})`
    expect(await readInstant(test.client, uploadedAt)).toBeUndefined()
  })

  it("takes several withdrawals against one order", async () => {
    const { userId } = await createUserWithPoints(test.client, 300)
    const number = newNumber()
    expect(await spend(userId, number, 100)).toBe("withdrawn")
    expect(await spend(userId, number, 200)).toBe("withdrawn")
    expect(await spend(userId, number, 1)).toBe("not_enough")
  })

  it("writes nothing at all when the points do not suffice, the claimed order included", async () => {
    const { userId } = await createUserWithPoints(test.client, 100)
    const number = newNumber()
    expect(await spend(userId, number, 101)).toBe("not_enough")
    expect(await test.client.order.count({ where: { number } })).toBe(0)
    expect(await balanceOf(test.client, userId)).toMatchObject({ current: "1.00", version: 1 })
  })

  it("refuses another user's order, whether or not the points suffice", async () => {
    const { userId } = await createUserWithPoints(test.client, 100)
    const number = newNumber()
    await recordOne(test.client, await createUser(test.client), number)
    expect(await spend(userId, number, 1)).toBe("not_owned")
    expect(await spend(userId, number, 1_000)).toBe("not_owned")
    expect((await balanceOf(test.client, userId)).current).toBe("1.00")
  })

  it("refuses a number that nobody uploaded when only owned orders may be paid", async () => {
    const { userId } = await createUserWithPoints(test.client, 100)
    const [free, owned] = [newNumber(), newNumber()]
    await recordOne(test.client, userId, owned)
    expect(await spend(userId, free, 1, { ownedOnly: true })).toBe("not_owned")
    expect(await spend(userId, owned, 1, { ownedOnly: true })).toBe("withdrawn")
  })

  it("knows no user without a balance", async () => {
    expect(await spend(999_999_999n, newNumber(), 1)).toBe("no_user")
  })

  it("debits once for a key, however often it is sent at once", async () => {
    const { userId } = await createUserWithPoints(test.client, 1_000)
    const number = newNumber()
    const calls = Array.from({ length: 20 }, () =>
      spend(userId, number, 100, { idempotencyKey: "the same" }),
    )
    const outcomes = (await Promise.all(calls)).toSorted()
    expect(outcomes).toEqual([...Array.from({ length: 19 }, () => "repeated"), "withdrawn"])
    expect((await balanceOf(test.client, userId)).current).toBe("9.00")
    expect(await spend(userId, number, 101, { idempotencyKey: "the same" })).toBe("key_reused")
    expect(await spend(userId, newNumber(), 100, { idempotencyKey: "the same" })).toBe("key_reused")
  })

  it("remembers only success under a key", async () => {
    const { userId } = await createUserWithPoints(test.client, 100)
    const number = newNumber()
    const again = () => spend(userId, number, 150, { idempotencyKey: "k" })
    expect(await again()).toBe("not_enough")
    await settleOne(test.client, await recordOne(test.client, userId), processed(100))
    expect(await again()).toBe("withdrawn")
  })

  it("lets exactly as many of racing withdrawals succeed as the balance covers", async () => {
    const { userId } = await createUserWithPoints(test.client, 5_000)
    const calls = Array.from({ length: 200 }, () => spend(userId, newNumber(), 100))
    const outcomes = await Promise.all(calls)
    expect(outcomes.filter((outcome) => outcome === "withdrawn")).toHaveLength(50)
    expect(outcomes.filter((outcome) => outcome === "not_enough")).toHaveLength(150)
    expect(await balanceOf(test.client, userId)).toMatchObject({
      current: "0.00",
      withdrawn: "50.00",
    })
  })

  it("gives a number that is claimed and uploaded at once one owner; the loser keeps the points", async () => {
    const ROUNDS = 20
    for (let round = 0; round < ROUNDS; round++) {
      const { userId: payer } = await createUserWithPoints(test.client, 100)
      const uploader = await createUser(test.client)
      const number = newNumber()
      const [paid, [recorded]] = await Promise.all([
        spend(payer, number, 100),
        recordOrders(test.client, [{ userId: uploader, number }], LEASE_MS),
      ])
      const { userId: owner } = await test.client.order.findUniqueOrThrow({ where: { number } })
      const payerWon = owner === payer
      expect(paid).toBe(payerWon ? "withdrawn" : "not_owned")
      expect(recorded).toBe(payerWon ? "taken" : "accepted")
      expect((await balanceOf(test.client, payer)).current).toBe(payerWon ? "0.00" : "1.00")
    }
  })
})
