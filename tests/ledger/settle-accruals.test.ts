import type { ScoringAnswer } from "@gofermart/shared/ledger/settle-accruals.ts"
import { verifyLedger } from "@gofermart/shared/ledger/verify.ts"
import { withdraw } from "@gofermart/shared/ledger/withdraw.ts"
import { pointsFromHundredths } from "@gofermart/shared/domain/points.ts"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { createDatabase, type TestDatabase } from "../harness/database.ts"
import { eventually } from "../harness/eventually.ts"
import {
  balanceOf,
  createUser,
  createUserWithPoints,
  processed,
  recordOne,
  settleMany,
  settleOne,
} from "../harness/ledger.ts"
import { waitLongForLocks } from "../harness/lock-timeouts.ts"
import { newNumber } from "../harness/numbers.ts"
import { sql } from "@gofermart/shared/db/client.ts"
import { readInstant } from "../harness/instants.ts"

const INVALID: ScoringAnswer = { kind: "INVALID" }
const NOT_FINAL: ScoringAnswer = { kind: "NOT_FINAL" }
const NOT_REGISTERED: ScoringAnswer = { kind: "NOT_REGISTERED" }

describe("settling accruals", () => {
  let test: TestDatabase
  beforeAll(async () => {
    test = await createDatabase()
  })
  afterAll(async () => {
    const { discrepancies } = await verifyLedger(test.client)
    expect(discrepancies).toEqual([])
    await test.drop()
  })

  const settle = (orderId: bigint, answer: ScoringAnswer, graceMs?: number) =>
    settleOne(test.client, orderId, answer, graceMs)
  const newOrder = async () => {
    const userId = await createUser(test.client)
    return { userId, orderId: await recordOne(test.client, userId) }
  }
  const unknownSinceOf = (orderId: bigint) =>
    readInstant(test.client, sql`(SELECT unknown_since FROM accruals WHERE order_id = ${orderId})`)
  const accrualOf = (orderId: bigint) =>
    test.client.accrual.findUniqueOrThrow({ where: { orderId } })

  it("credits exactly what the order earned, once", async () => {
    const { userId, orderId } = await newOrder()
    expect((await settle(orderId, processed(72_998))).outcome).toBe("settled")
    expect((await settle(orderId, processed(72_998))).outcome).toBe("already_settled")
    const balance = { current: "729.98", withdrawn: "0.00", version: 1 }
    expect(await balanceOf(test.client, userId)).toEqual(balance)
  })

  it("settles an order of no points and an INVALID one without moving the balance", async () => {
    const { userId, orderId } = await newOrder()
    const second = await recordOne(test.client, userId)
    await settle(orderId, processed(0))
    await settle(second, INVALID)
    const balance = { current: "0.00", withdrawn: "0.00", version: 2 }
    expect(await balanceOf(test.client, userId)).toEqual(balance)
    expect((await accrualOf(second)).value).toBeNull()
  })

  it("keeps the first of two verdicts, and says that they differ", async () => {
    const { userId, orderId } = await newOrder()
    await settle(orderId, processed(500))
    expect((await settle(orderId, processed(501))).outcome).toBe("contradicted")
    expect((await settle(orderId, INVALID)).outcome).toBe("contradicted")
    expect((await settle(orderId, NOT_FINAL)).outcome).toBe("already_settled")
    expect((await settle(orderId, NOT_REGISTERED)).outcome).toBe("already_settled")
    expect((await balanceOf(test.client, userId)).current).toBe("5.00")
  })

  it("credits an order that stands in one batch ten times once", async () => {
    const { userId, orderId } = await newOrder()
    const ten = Array.from({ length: 10 }, () => ({ orderId, answer: processed(100) }))
    const settlements = await settleMany(test.client, ten)
    expect(settlements.map(({ outcome }) => outcome)).toEqual([
      "settled",
      ...Array.from({ length: 9 }, () => "already_settled"),
    ])
    expect((await balanceOf(test.client, userId)).current).toBe("1.00")
  })

  it("applies an answer to the order that it names, beside one that names none", async () => {
    const { userId, orderId } = await newOrder()
    const settlements = await settleMany(test.client, [
      { orderId: 999_999_999n, answer: INVALID },
      { orderId, answer: processed(100) },
    ])
    expect(settlements.map(({ outcome }) => outcome)).toEqual(["not_awaited", "settled"])
    expect((await balanceOf(test.client, userId)).current).toBe("1.00")
  })

  it("tells for how long an order that waits has been uploaded and unknown, in milliseconds", async () => {
    const { orderId } = await newOrder()
    await settle(orderId, NOT_REGISTERED)
    await test.client.$executeRaw`
      UPDATE orders SET uploaded_at = now() - interval '1 hour' WHERE id = ${orderId}`
    await test.client.$executeRaw`
      UPDATE accruals SET unknown_since = now() - interval '30 minutes' WHERE order_id = ${orderId}`
    const { outcome, ageMs, unknownMs } = await settle(orderId, NOT_REGISTERED)
    expect(outcome).toBe("waiting")
    expect(Math.floor((ageMs ?? 0) / 60_000)).toBe(60)
    expect(Math.floor((unknownMs ?? 0) / 60_000)).toBe(30)
  })

  it("gives several orders of one user in a batch versions and balances in a row", async () => {
    const userId = await createUser(test.client)
    const orderIds = [await recordOne(test.client, userId), await recordOne(test.client, userId)]
    const batch = orderIds.map((orderId, i) => ({ orderId, answer: processed(100 * (i + 1)) }))
    await settleMany(test.client, batch)
    const accruals = await Promise.all(orderIds.map(accrualOf))
    expect(accruals.map(({ version }) => version)).toEqual([1n, 2n])
    expect(accruals.map(({ balanceAfter }) => balanceAfter?.toFixed(2))).toEqual(["1.00", "3.00"])
  })

  it("leaves out the users whose balance somebody holds, and settles the others", async () => {
    const held = await newOrder()
    const free = await newOrder()
    const batch = [held, free].map(({ orderId }) => ({ orderId, answer: processed(100) }))
    const outcomes = await test.client.$transaction(
      async (transaction) => {
        await transaction.$queryRaw`
          SELECT FROM user_balances WHERE user_id = ${held.userId} FOR UPDATE`
        return (await settleMany(test.client, batch)).map(({ outcome }) => outcome)
      },
      { timeout: 20_000 },
    )
    expect(outcomes).toEqual(["locked", "settled"])
    expect((await balanceOf(test.client, held.userId)).current).toBe("0.00")
    expect((await balanceOf(test.client, free.userId)).current).toBe("1.00")
    expect((await settle(held.orderId, processed(100))).outcome).toBe("settled")
  })

  it("settles nothing for a user whose balance row is missing", async () => {
    const { userId, orderId } = await newOrder()
    await test.client.userBalance.delete({ where: { userId } })
    expect((await settle(orderId, processed(100))).outcome).toBe("waiting")
    expect((await accrualOf(orderId)).status).toBe("PROCESSING")
    expect(await test.client.contradiction.count({ where: { orderId } })).toBe(0)
    await test.client.userBalance.create({ data: { userId } })
  })

  it("refuses a credit that would take a balance past what is exact, and writes nothing", async () => {
    const { userId } = await createUserWithPoints(test.client, Number.MAX_SAFE_INTEGER)
    const orderId = await recordOne(test.client, userId)
    await expect(settle(orderId, processed(1))).rejects.toThrow(/user_balances_accrual_check/)
    expect((await accrualOf(orderId)).status).toBe("PROCESSING")
  })

  describe("of an order that the scoring system does not know", () => {
    it("waits for the whole grace time, from the first such answer", async () => {
      const { orderId } = await newOrder()
      const first = await settle(orderId, NOT_REGISTERED, 0)
      expect(first).toMatchObject({ outcome: "waiting" })
      const unknownSince = await unknownSinceOf(orderId)
      expect(await settle(orderId, NOT_REGISTERED)).toMatchObject({ outcome: "waiting" })
      expect(unknownSince).toEqual(expect.any(Number))
      expect(await unknownSinceOf(orderId)).toEqual(unknownSince)
    })

    it("settles it as UNREGISTERED once the grace time has passed", async () => {
      const { userId, orderId } = await newOrder()
      await settle(orderId, NOT_REGISTERED)
      const outcome = await eventually("the grace time has passed", async () => {
        const settlement = await settle(orderId, NOT_REGISTERED, 200)
        return settlement.outcome === "waiting" ? undefined : settlement.outcome
      })
      expect(outcome).toBe("settled")
      expect((await accrualOf(orderId)).status).toBe("UNREGISTERED")
      const [grace] = await test.client.$queryRaw<[{ ms: number }]>`
        SELECT (extract(epoch FROM updated_at - unknown_since) * 1000)::float8 AS ms
          FROM accruals WHERE order_id = ${orderId}`
      expect(grace.ms).toBeGreaterThanOrEqual(200)
      expect((await balanceOf(test.client, userId)).version).toBe(1)
    })

    it("begins the grace time anew after any other valid answer", async () => {
      const { orderId } = await newOrder()
      await settle(orderId, NOT_REGISTERED)
      await settle(orderId, NOT_FINAL)
      expect(await unknownSinceOf(orderId)).toBeUndefined()
      expect(await settle(orderId, NOT_REGISTERED, 0)).toMatchObject({ outcome: "waiting" })
    })

    it("leaves one that is UNREGISTERED as it is, whatever else the call settles", async () => {
      const { userId, orderId } = await newOrder()
      await settle(orderId, NOT_REGISTERED)
      await settle(orderId, NOT_REGISTERED, 0)
      expect((await settle(orderId, NOT_REGISTERED, 0)).outcome).toBe("already_settled")
      expect((await balanceOf(test.client, userId)).version).toBe(1)
    })

    it("counts it as unknown for no longer than it waits for a verdict", async () => {
      const { orderId } = await newOrder()
      await settle(orderId, NOT_REGISTERED)
      await settle(orderId, processed(100))
      expect(await unknownSinceOf(orderId)).toBeUndefined()
      await settle(orderId, NOT_REGISTERED)
      expect(await unknownSinceOf(orderId)).toBeUndefined()
    })

    it("lets a later verdict replace UNREGISTERED, and credits it", async () => {
      const { userId, orderId } = await newOrder()
      await settle(orderId, NOT_REGISTERED)
      await settle(orderId, NOT_REGISTERED, 0)
      expect((await settle(orderId, processed(250))).outcome).toBe("settled")
      const balance = { current: "2.50", withdrawn: "0.00", version: 2 }
      expect(await balanceOf(test.client, userId)).toEqual(balance)
      expect((await settle(orderId, INVALID)).outcome).toBe("contradicted")
    })

    it("prefers a verdict to the end of the grace time in one batch", async () => {
      const { userId, orderId } = await newOrder()
      await settle(orderId, NOT_REGISTERED)
      const batch = [NOT_REGISTERED, processed(100)].map((answer) => ({ orderId, answer }))
      await settleMany(test.client, batch, 0)
      expect((await accrualOf(orderId)).status).toBe("PROCESSED")
      expect((await balanceOf(test.client, userId)).current).toBe("1.00")
    })
  })

  it("leaves alone what nobody uploaded or what does not exist", async () => {
    const { userId } = await createUserWithPoints(test.client, 1_000)
    const number = newNumber()
    const value = pointsFromHundredths(100)
    await withdraw(test.client, { userId, idempotencyKey: "a", number, value, ownedOnly: false })
    const { id } = await test.client.order.findUniqueOrThrow({ where: { number } })
    expect((await settle(id, processed(100))).outcome).toBe("not_awaited")
    expect(await test.client.contradiction.count({ where: { orderId: id } })).toBe(0)
    expect((await settle(999_999_999n, processed(100))).outcome).toBe("not_awaited")
    expect((await balanceOf(test.client, userId)).current).toBe("9.00")
  })
})

describe("settling accruals by many calls at once", () => {
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

  it("credits an order that ten calls settle at once once", async () => {
    const userId = await createUser(test.client)
    const orderId = await recordOne(test.client, userId)
    const calls = Array.from({ length: 10 }, () => settleOne(test.client, orderId, processed(100)))
    const all = (await Promise.all(calls)).map(({ outcome }) => outcome)
    expect(all.filter((outcome) => outcome === "settled")).toHaveLength(1)
    expect((await balanceOf(test.client, userId)).current).toBe("1.00")
  })

  it("lets many overlapping batches in every order all finish", async () => {
    const users = await Promise.all(Array.from({ length: 8 }, () => createUser(test.client)))
    const orderIds = await Promise.all(users.map((userId) => recordOne(test.client, userId)))
    const batch = orderIds.map((orderId) => ({ orderId, answer: processed(100) }))
    const calls = Array.from({ length: 20 }, (_, i) =>
      settleMany(test.client, [...batch.slice(i % 8), ...batch.slice(0, i % 8)].toReversed()),
    )
    const all = (await Promise.all(calls)).flat()
    expect(all.filter(({ outcome }) => outcome === "settled")).toHaveLength(orderIds.length)
    expect(all.filter(({ outcome }) => outcome === "locked")).toHaveLength(0)
  })
})
