import { recordOrders } from "@gofermart/shared/ledger/record-orders.ts"
import { withdraw } from "@gofermart/shared/ledger/withdraw.ts"
import { pointsFromHundredths } from "@gofermart/shared/domain/points.ts"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { createDatabase, type TestDatabase } from "../harness/database.ts"
import {
  createUser,
  createUserWithPoints,
  LEASE_MS,
  recordOne,
  settleOne,
} from "../harness/ledger.ts"
import { waitLongForLocks } from "../harness/lock-timeouts.ts"
import { newNumber, newNumbers } from "../harness/numbers.ts"
import { sql } from "@gofermart/shared/db/client.ts"
import { databaseNow, readInstant } from "../harness/instants.ts"

const NOBODY = 999_999_999n

describe("recording orders", () => {
  let test: TestDatabase
  beforeAll(async () => {
    test = await createDatabase()
    await waitLongForLocks(test.client)
  })
  afterAll(() => test.drop())

  const record = (uploads: { userId: bigint; number: ReturnType<typeof newNumber> }[]) =>
    recordOrders(test.client, uploads, LEASE_MS)

  it("gives a new order an accrual in PROCESSING and a lease", async () => {
    const userId = await createUser(test.client)
    const orderId = await recordOne(test.client, userId)
    const order = await test.client.order.findUniqueOrThrow({
      where: { id: orderId },
      include: { accrual: true },
    })
    expect(order.accrual).toMatchObject({ status: "PROCESSING", value: null, version: null })
    const uploadedAt = sql`(SELECT uploaded_at FROM orders WHERE id = ${orderId})`
    const [lease] = await test.client.$queryRaw<[{ ms: number }]>`
      SELECT (extract(epoch FROM requeue_at - created_at) * 1000)::float8 AS ms
        FROM accruals WHERE order_id = ${orderId}`
    expect(lease.ms).toBe(LEASE_MS)
    expect(await readInstant(test.client, uploadedAt)).toBeDefined()
  })

  it("answers each upload of a batch in its place", async () => {
    const [anna, boris] = [await createUser(test.client), await createUser(test.client)]
    const [annas, boriss, fresh] = newNumbers(3) as [never, never, never]
    await record([
      { userId: anna, number: annas },
      { userId: boris, number: boriss },
    ])
    expect(
      await record([
        { userId: anna, number: boriss },
        { userId: NOBODY, number: fresh },
        { userId: anna, number: annas },
        { userId: anna, number: fresh },
        { userId: NOBODY, number: annas },
      ]),
    ).toEqual(["taken", "no_user", "already_uploaded", "accepted", "no_user"])
  })

  it("gives the same number twice in one batch one winner, the first", async () => {
    const [anna, boris] = [await createUser(test.client), await createUser(test.client)]
    const number = newNumber()
    expect(
      await record([
        { userId: boris, number },
        { userId: anna, number },
        { userId: boris, number },
      ]),
    ).toEqual(["accepted", "taken", "already_uploaded"])
  })

  it("gives a number of two users in one batch to the first of them", async () => {
    const [anna, boris] = [await createUser(test.client), await createUser(test.client)]
    const number = newNumber()
    const uploads = [boris, anna].map((userId) => ({ userId, number }))
    expect(await record(uploads)).toEqual(["accepted", "taken"])
  })

  it("gives a number uploaded by many calls at once one owner and one acceptance", async () => {
    const [anna, boris] = [await createUser(test.client), await createUser(test.client)]
    const number = newNumber()
    const calls = Array.from({ length: 40 }, (_, i) =>
      record([{ userId: i % 2 === 0 ? anna : boris, number }]),
    )
    const all = (await Promise.all(calls)).flat()
    expect(all.filter((outcome) => outcome === "accepted")).toHaveLength(1)
    expect(all.filter((outcome) => outcome === "already_uploaded")).toHaveLength(19)
    expect(all.filter((outcome) => outcome === "taken")).toHaveLength(20)
    expect(await test.client.order.count({ where: { number } })).toBe(1)
  })

  it("lets overlapping batches in opposite orders all finish", async () => {
    const userId = await createUser(test.client)
    const numbers = newNumbers(500)
    const uploads = numbers.map((number) => ({ userId, number }))
    const batches = Array.from({ length: 20 }, (_, i) =>
      record(i % 2 === 0 ? uploads : uploads.toReversed()),
    )
    const all = (await Promise.all(batches)).flat()
    expect(all.filter((outcome) => outcome === "accepted")).toHaveLength(numbers.length)
  })

  it("opens an order that only a withdrawal had named, once, for its user alone", async () => {
    const { userId } = await createUserWithPoints(test.client, 1_000)
    const stranger = await createUser(test.client)
    const number = newNumber()
    const value = pointsFromHundredths(300)
    await withdraw(test.client, { userId, idempotencyKey: "a", number, value, ownedOnly: false })
    expect(await record([{ userId: stranger, number }])).toEqual(["taken"])
    const both = await Promise.all([record([{ userId, number }]), record([{ userId, number }])])
    expect(both.flat().toSorted()).toEqual(["accepted", "already_uploaded"])
    const accrual = await test.client.accrual.findFirstOrThrow({ where: { order: { number } } })
    expect(accrual.status).toBe("PROCESSING")
    const uploadedAt = sql`(SELECT uploaded_at FROM orders WHERE number = ${number})`
    expect(await readInstant(test.client, uploadedAt)).toBeDefined()
  })

  it("opens an UNREGISTERED order again, with a grace time that begins anew", async () => {
    const userId = await createUser(test.client)
    const number = newNumber()
    const orderId = await recordOne(test.client, userId, number)
    await settleOne(test.client, orderId, { kind: "NOT_REGISTERED" })
    expect(await settleOne(test.client, orderId, { kind: "NOT_REGISTERED" }, 0)).toMatchObject({
      outcome: "settled",
    })
    await test.client.$executeRaw`
      UPDATE accruals SET requeue_at = 'epoch'::timestamptz WHERE order_id = ${orderId}`
    const before = await databaseNow(test.client)
    expect(await record([{ userId, number }])).toEqual(["accepted"])
    const accrual = await test.client.accrual.findUniqueOrThrow({ where: { orderId } })
    expect(accrual).toMatchObject({
      status: "PROCESSING",
      version: null,
      balanceAfter: null,
    })
    const unknownSince = sql`(SELECT unknown_since FROM accruals WHERE order_id = ${orderId})`
    expect(await readInstant(test.client, unknownSince)).toBeUndefined()
    // Its upload, its change and its lease are of now.
    const uploadedAt = sql`(SELECT uploaded_at FROM orders WHERE id = ${orderId})`
    expect(await readInstant(test.client, uploadedAt)).toBeGreaterThan(before)
    const changedAt = sql`(SELECT updated_at FROM accruals WHERE order_id = ${orderId})`
    expect(await readInstant(test.client, changedAt)).toBeGreaterThan(before)
    const leaseEnd = sql`(SELECT requeue_at FROM accruals WHERE order_id = ${orderId})`
    expect(await readInstant(test.client, leaseEnd)).toBeGreaterThan(before + LEASE_MS * 1_000)
  })

  it("does not open an order with a verdict again", async () => {
    const userId = await createUser(test.client)
    const number = newNumber()
    const orderId = await recordOne(test.client, userId, number)
    await settleOne(test.client, orderId, { kind: "INVALID" })
    expect(await record([{ userId, number }])).toEqual(["already_uploaded"])
    const accrual = await test.client.accrual.findUniqueOrThrow({ where: { orderId } })
    expect(accrual.status).toBe("INVALID")
  })
})
