import type { ScoringAnswer } from "@gofermart/shared/ledger/settle-accruals.ts"
import { verifyLedger } from "@gofermart/shared/ledger/verify.ts"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { createDatabase, type TestDatabase } from "../harness/database.ts"
import {
  balanceOf,
  createUser,
  processed,
  recordOne,
  settleMany,
  settleOne,
} from "../harness/ledger.ts"
import { waitLongForLocks } from "../harness/lock-timeouts.ts"
import { sql } from "@gofermart/shared/db/client.ts"
import { readInstant } from "../harness/instants.ts"

const INVALID: ScoringAnswer = { kind: "INVALID" }
const NOT_REGISTERED: ScoringAnswer = { kind: "NOT_REGISTERED" }

describe("a verdict that contradicts an order's", () => {
  let test: TestDatabase
  beforeAll(async () => {
    test = await createDatabase()
  })
  afterAll(async () => {
    const { discrepancies } = await verifyLedger(test.client)
    expect(discrepancies).toEqual([])
    await test.drop()
  })

  const settle = (orderId: bigint, answer: ScoringAnswer) => settleOne(test.client, orderId, answer)
  const settled = async (answer: ScoringAnswer) => {
    const userId = await createUser(test.client)
    const orderId = await recordOne(test.client, userId)
    await settle(orderId, answer)
    return { userId, orderId }
  }
  const recordOf = async (orderId: bigint) => {
    const found = await test.client.contradiction.findUnique({ where: { orderId } })
    if (found === null) return undefined
    const [seen] = await test.client.$queryRaw<[{ firstSeenAtUs: bigint; lastSeenAtUs: bigint }]>`
      SELECT (extract(epoch FROM first_seen_at) * 1000000)::bigint AS "firstSeenAtUs",
             (extract(epoch FROM last_seen_at) * 1000000)::bigint AS "lastSeenAtUs"
        FROM contradictions WHERE order_id = ${orderId}`
    return { ...found, ...seen, value: found.value?.toFixed(2) ?? null }
  }

  it("is recorded once an order: the last one, how often, the first and the last time", async () => {
    const { userId, orderId } = await settled(processed(500))
    expect(await recordOf(orderId)).toBeUndefined()
    await settle(orderId, INVALID)
    const first = await recordOf(orderId)
    expect(first).toMatchObject({ status: "INVALID", value: null, times: 1 })
    expect(first?.lastSeenAtUs).toEqual(first?.firstSeenAtUs)
    const settledAtUs = await readInstant(
      test.client,
      sql`(SELECT updated_at FROM accruals WHERE order_id = ${orderId})`,
    )
    expect(Number(first?.firstSeenAtUs)).toBeGreaterThanOrEqual(settledAtUs ?? Infinity)
    await settle(orderId, processed(501))
    const second = await recordOf(orderId)
    expect(second).toMatchObject({ status: "PROCESSED", value: "5.01", times: 2 })
    expect(second?.firstSeenAtUs).toEqual(first?.firstSeenAtUs)
    expect(Number(second?.lastSeenAtUs)).toBeGreaterThan(Number(first?.lastSeenAtUs))
    const balance = { current: "5.00", withdrawn: "0.00", version: 1 }
    expect(await balanceOf(test.client, userId)).toEqual(balance)
  })

  it("is any other status, and another value to the hundredth, and nothing else", async () => {
    const invalid = await settled(INVALID)
    for (const answer of [INVALID, NOT_REGISTERED, { kind: "NOT_FINAL" } as const]) {
      await settle(invalid.orderId, answer)
    }
    expect(await recordOf(invalid.orderId)).toBeUndefined()
    await settle(invalid.orderId, processed(0))
    expect(await recordOf(invalid.orderId)).toMatchObject({ status: "PROCESSED", value: "0.00" })
    const { orderId } = await settled(processed(100))
    for (const answer of [processed(100), NOT_REGISTERED]) await settle(orderId, answer)
    expect(await recordOf(orderId)).toBeUndefined()
    await settle(orderId, processed(99))
    expect(await recordOf(orderId)).toMatchObject({ status: "PROCESSED", value: "0.99" })
  })

  it("was seen last when it was, also by a clock that was set back since", async () => {
    const { orderId } = await settled(INVALID)
    await settle(orderId, processed(1))
    await test.client.$executeRaw`
      UPDATE contradictions SET last_seen_at = now() + interval '1 hour' WHERE order_id = ${orderId}`
    const before = await recordOf(orderId)
    await settle(orderId, processed(2))
    const after = await recordOf(orderId)
    expect(after).toMatchObject({ value: "0.02", times: 2, lastSeenAtUs: before?.lastSeenAtUs })
  })

  it("may come several times in one batch, beside the verdict itself", async () => {
    const userId = await createUser(test.client)
    const orderId = await recordOne(test.client, userId)
    const answers = [processed(100), INVALID, processed(100), processed(200)]
    const batch = answers.map((answer) => ({ orderId, answer }))
    const settlements = await settleMany(test.client, batch)
    expect(settlements.map(({ outcome }) => outcome)).toEqual([
      "settled",
      "contradicted",
      "already_settled",
      "contradicted",
    ])
    expect(await recordOf(orderId)).toMatchObject({ value: "2.00", times: 2 })
    await settleMany(test.client, batch)
    expect(await recordOf(orderId)).toMatchObject({ value: "2.00", times: 4 })
  })

  it("is recorded in a batch where another order is settled as UNREGISTERED", async () => {
    const { orderId } = await settled(INVALID)
    const unknown = await recordOne(test.client, await createUser(test.client))
    await settle(unknown, NOT_REGISTERED)
    const batch = [
      { orderId: unknown, answer: NOT_REGISTERED },
      { orderId, answer: processed(100) },
    ]
    const settlements = await settleMany(test.client, batch, 0)
    expect(settlements.map(({ outcome }) => outcome)).toEqual(["settled", "contradicted"])
    expect(await recordOf(orderId)).toMatchObject({ times: 1 })
  })

  it("about an order whose balance somebody holds is recorded when it can be had", async () => {
    const { userId, orderId } = await settled(processed(100))
    const outcome = await test.client.$transaction(
      async (transaction) => {
        await transaction.$queryRaw`
          SELECT FROM user_balances WHERE user_id = ${userId} FOR UPDATE`
        return (await settle(orderId, INVALID)).outcome
      },
      { timeout: 20_000 },
    )
    expect(outcome).toBe("locked")
    expect(await recordOf(orderId)).toBeUndefined()
    expect((await settle(orderId, INVALID)).outcome).toBe("contradicted")
    expect(await recordOf(orderId)).toMatchObject({ times: 1 })
  })

  it("is refused by the database itself where it is none", async () => {
    const { orderId } = await settled(INVALID)
    const right = { status: "INVALID", value: null as number | null, times: 1, lastSeenAfterMs: 0 }
    const create = (data: Partial<typeof right>) => {
      const { status, value, times, lastSeenAfterMs } = { ...right, ...data }
      return test.client.$executeRaw`
        INSERT INTO contradictions (order_id, status, value, first_seen_at, last_seen_at, times)
        VALUES (${orderId}, ${status}::accrual_status, ${value}::float8, now(),
                now() + ${lastSeenAfterMs}::int * interval '1 millisecond', ${times}::int)`
    }
    const wrong: [string, Partial<typeof right>][] = [
      ["times", { times: 0 }],
      ["status", { status: "UNREGISTERED" }],
      ["value", { status: "PROCESSED" }],
      ["value", { value: 1 }],
      ["value", { status: "PROCESSED", value: -1 }],
      ["last_seen_at", { lastSeenAfterMs: -1 }],
    ]
    for (const [check, data] of wrong) {
      await expect(create(data)).rejects.toThrow(`contradictions_${check}_check`)
    }
  })

  it("is counted each time when overlapping batches in every order bring it, and all finish", async () => {
    // The last row, because this stays so.
    await waitLongForLocks(test.client)
    const orders = await Promise.all(Array.from({ length: 8 }, () => settled(processed(100))))
    const batch = orders.map(({ orderId }) => ({ orderId, answer: INVALID }))
    const CALLS = 40
    const deadlocks = () => test.client.$queryRaw<[{ deadlocks: bigint }]>`
      SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()`
    const calls = Array.from({ length: CALLS }, (_, i) => {
      const turned = [...batch.slice(i % 8), ...batch.slice(0, i % 8)]
      return settleMany(test.client, i % 2 === 0 ? turned : turned.toReversed())
    })
    const all = (await Promise.all(calls)).flat()
    expect(all.filter(({ outcome }) => outcome !== "contradicted")).toEqual([])
    for (const { orderId } of orders) {
      expect(await recordOf(orderId)).toMatchObject({ status: "INVALID", times: CALLS })
    }
    expect(await deadlocks()).toEqual([{ deadlocks: 0n }])
  })
})
