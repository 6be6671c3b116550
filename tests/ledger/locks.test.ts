import { classifyError } from "@gofermart/shared/db/errors.ts"
import type { OrderNumber } from "@gofermart/shared/domain/order-number.ts"
import { pointsFromHundredths } from "@gofermart/shared/domain/points.ts"
import { recordOrders } from "@gofermart/shared/ledger/record-orders.ts"
import type { ScoringAnswer } from "@gofermart/shared/ledger/settle-accruals.ts"
import { verifyLedger } from "@gofermart/shared/ledger/verify.ts"
import { withdraw } from "@gofermart/shared/ledger/withdraw.ts"
import { sql } from "@gofermart/shared/db/client.ts"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { holdTransaction, untilWaiting } from "../harness/commits.ts"
import { createDatabase, type TestDatabase } from "../harness/database.ts"
import { databaseNow, readInstant } from "../harness/instants.ts"
import {
  createUser,
  createUserWithPoints,
  LEASE_MS,
  processed,
  recordOne,
  settleMany,
  settleOne,
} from "../harness/ledger.ts"
import { waitLongForLocks } from "../harness/lock-timeouts.ts"
import { newNumber } from "../harness/numbers.ts"

const NOT_REGISTERED: ScoringAnswer = { kind: "NOT_REGISTERED" }

describe("the ledger's functions, when somebody holds a row", () => {
  let test: TestDatabase
  beforeAll(async () => {
    test = await createDatabase()
    await waitLongForLocks(test.client)
    // Rows are locked in the order of a plan that reads them as they lie, which is not that of their
    // ids here: what keeps calls from waiting for each other must not be the plan.
    for (const name of ["record_orders", "settle_accruals"]) {
      await test.client.$executeRawUnsafe(`ALTER FUNCTION ${name} SET enable_indexscan = off`)
    }
  })
  afterAll(async () => {
    const { discrepancies } = await verifyLedger(test.client)
    expect(discrepancies).toEqual([])
    await test.drop()
  })

  const holdRow = (table: "accruals" | "user_balances", id: bigint) =>
    holdTransaction(test.url, `SELECT FROM ${table} WHERE ${KEYS[table]} = $1 FOR UPDATE`, [id])
  const isFree = async (table: "accruals" | "user_balances", id: bigint) => {
    try {
      await test.client.$queryRawUnsafe(
        `SELECT FROM ${table} WHERE ${KEYS[table]} = $1::bigint FOR UPDATE NOWAIT`,
        id,
      )
      return true
    } catch (error) {
      if (classifyError(error) === "locked") return false
      throw error
    }
  }
  const unregister = async (orderId: bigint) => {
    await settleOne(test.client, orderId, NOT_REGISTERED)
    expect((await settleOne(test.client, orderId, NOT_REGISTERED, 0)).outcome).toBe("settled")
  }

  it("open orders again in the order of their ids, none before the first", async () => {
    const userId = await createUser(test.client)
    const numbers = [newNumber(), newNumber()] as [OrderNumber, OrderNumber]
    const first = await recordOne(test.client, userId, numbers[0])
    const second = await recordOne(test.client, userId, numbers[1])
    await unregister(second)
    await unregister(first)
    const holder = await holdRow("accruals", first)
    const uploads = numbers.map((number) => ({ userId, number }))
    const recording = recordOrders(test.client, uploads, LEASE_MS)
    await untilWaiting(test.client, "record_orders", "lock")
    expect(await isFree("accruals", second)).toBe(true)
    await holder.end("ROLLBACK")
    expect(await recording).toEqual(["accepted", "accepted"])
  })

  it("settle orders in the order of their ids, none before the first", async () => {
    const userId = await createUser(test.client)
    const first = await recordOne(test.client, userId)
    const second = await recordOne(test.client, userId)
    await test.client.$executeRaw`
      UPDATE accruals SET requeue_at = requeue_at + interval '1 second' WHERE order_id = ${first}`
    const holder = await holdRow("accruals", first)
    const batch = [first, second].map((orderId) => ({ orderId, answer: processed(100) }))
    const settling = settleMany(test.client, batch)
    await untilWaiting(test.client, "settle_accruals", "lock")
    expect(await isFree("accruals", second)).toBe(true)
    await holder.end("ROLLBACK")
    expect((await settling).map(({ outcome }) => outcome)).toEqual(["settled", "settled"])
  })

  it("lock balances in the order of the users' ids, none before the first", async () => {
    const [first, second] = [await createUser(test.client), await createUser(test.client)]
    await test.client.userBalance.delete({ where: { userId: first } })
    await test.client.userBalance.create({ data: { userId: first } })
    const orderIds = [await recordOne(test.client, first), await recordOne(test.client, second)]
    const holder = await holdRow("user_balances", first)
    const batch = orderIds.map((orderId) => ({ orderId, answer: processed(100) }))
    const settling = settleMany(test.client, batch)
    await untilWaiting(test.client, "settle_accruals", "lock")
    expect(await isFree("user_balances", second)).toBe(true)
    await holder.end("ROLLBACK")
    expect((await settling).map(({ outcome }) => outcome)).toEqual(["settled", "settled"])
  })

  it("settle no order whose grace time another answer ended while they waited", async () => {
    const number = newNumber()
    const orderId = await recordOne(test.client, await createUser(test.client), number)
    await settleOne(test.client, orderId, NOT_REGISTERED)
    const other = await holdTransaction(
      test.url,
      "SELECT FROM settle_accruals(ARRAY[$1], ARRAY['NOT_FINAL'], ARRAY[NULL]::bigint[], 0)",
      [number],
    )
    const settling = settleOne(test.client, orderId, NOT_REGISTERED, 0)
    await untilWaiting(test.client, "settle_accruals", "lock")
    await other.end("COMMIT")
    expect((await settling).outcome).toBe("waiting")
    const { status } = await test.client.accrual.findUniqueOrThrow({ where: { orderId } })
    expect(status).toBe("PROCESSING")
  })

  it("date a withdrawal when it is made, not when it began to wait", async () => {
    const { userId } = await createUserWithPoints(test.client, 100)
    const holder = await holdRow("user_balances", userId)
    const value = pointsFromHundredths(100)
    const number = newNumber()
    const spending = withdraw(test.client, {
      userId,
      idempotencyKey: "a",
      number,
      value,
      ownedOnly: false,
    })
    await untilWaiting(test.client, "withdraw", "lock")
    const releasedAt = await databaseNow(test.client)
    await holder.end("ROLLBACK")
    expect(await spending).toBe("withdrawn")
    const madeAt = sql`(SELECT created_at FROM withdrawals WHERE user_id = ${userId})`
    expect(await readInstant(test.client, madeAt)).toBeGreaterThanOrEqual(releasedAt)
  })
})

describe("an upload of an order that somebody holds", () => {
  it("is given up after a while", async () => {
    const test = await createDatabase()
    const { userId } = await createUserWithPoints(test.client, 100)
    const number = newNumber()
    const value = pointsFromHundredths(100)
    await withdraw(test.client, { userId, idempotencyKey: "a", number, value, ownedOnly: false })
    const holder = await holdTransaction(test.url, "SELECT FROM accruals FOR UPDATE")
    const failure = recordOrders(test.client, [{ userId, number }], LEASE_MS).catch(
      (error: unknown) => classifyError(error),
    )
    expect(await failure).toBe("locked")
    await holder.end("ROLLBACK")
    await test.drop()
  })
})

const KEYS = { accruals: "order_id", user_balances: "user_id" }
