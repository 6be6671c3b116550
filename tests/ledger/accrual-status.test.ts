import type { Database } from "@gofermart/shared/db/client.ts"
import {
  type AccrualStatus,
  POLLED_STATUSES,
  SETTLED_STATUSES,
  STATUS_RULES,
  statusesWhere,
} from "@gofermart/shared/domain/accrual-status.ts"
import { recordOrders } from "@gofermart/shared/ledger/record-orders.ts"
import type { ScoringAnswer } from "@gofermart/shared/ledger/settle-accruals.ts"
import { withdraw } from "@gofermart/shared/ledger/withdraw.ts"
import { pointsFromHundredths } from "@gofermart/shared/domain/points.ts"
import { beforeAll, describe, expect, it } from "vitest"
import { createDatabase } from "../harness/database.ts"
import {
  createUser,
  createUserWithPoints,
  LEASE_MS,
  processed,
  recordOne,
  settleOne,
} from "../harness/ledger.ts"
import { newNumber } from "../harness/numbers.ts"

const STATUSES = statusesWhere(() => true)
const NO_GRACE_MS = 0

const not = (statuses: AccrualStatus[]) => STATUSES.filter((status) => !statuses.includes(status))
const withValue = statusesWhere(({ hasValue }) => hasValue)
const final = statusesWhere(({ isFinal }) => isFinal)

/** A row as a CHECK sees it, in SQL, whatever its status is; and the statuses that it may have. */
interface Checked {
  constraint: string
  row: string
  allowed: AccrualStatus[]
}

const CHECKED: Checked[] = [
  { constraint: "accruals_value_check", row: "1 AS value", allowed: withValue },
  {
    constraint: "accruals_value_check",
    row: "NULL::numeric AS value",
    allowed: not(withValue),
  },
  {
    constraint: "accruals_version_check",
    row: "1 AS version, 1 AS balance_after",
    allowed: SETTLED_STATUSES,
  },
  {
    constraint: "accruals_version_check",
    row: "NULL::bigint AS version, NULL::numeric AS balance_after",
    allowed: not(SETTLED_STATUSES),
  },
  {
    constraint: "accruals_requeue_at_check",
    row: "'infinity'::timestamptz AS requeue_at",
    allowed: not(POLLED_STATUSES),
  },
  { constraint: "contradictions_status_check", row: "", allowed: final },
  { constraint: "contradictions_value_check", row: "1 AS value", allowed: withValue },
  {
    constraint: "contradictions_value_check",
    row: "NULL::numeric AS value",
    allowed: not(withValue),
  },
]

/** What SQL says of statuses in its own words is what `STATUS_RULES` say, for every status. */
describe("STATUS_RULES say of statuses what the database says:", () => {
  let database: Database
  beforeAll(async () => {
    database = (await createDatabase()).client
  })

  /** The statuses with which a row has what a condition of the database's asks for. */
  const statusesIn = async (condition: string, row = "") => {
    const rows = await database.$queryRawUnsafe<{ status: AccrualStatus }[]>(
      `SELECT status::text
         FROM (SELECT unnest(enum_range(NULL::accrual_status)) AS status${row && `, ${row}`}) AS r
        WHERE (${condition}) IS NOT FALSE`,
    )
    return rows.map(({ status }) => status)
  }
  /** An order in this status as one that the functions have brought there, of a user of its own. */
  const orderIn = async (status: AccrualStatus) => {
    const { isListed, hasValue, settledBy } = STATUS_RULES[status]
    const [userId, number] = [await createUser(database), newNumber()]
    const [{ id }] = await database.$queryRaw<[{ id: bigint }]>`
      INSERT INTO orders (user_id, number, uploaded_at)
      VALUES (${userId}, ${number}, CASE WHEN ${isListed} THEN now() END) RETURNING id`
    const isSettled = settledBy !== null
    await database.$executeRaw`
      INSERT INTO accruals (order_id, user_id, status, value, version, balance_after, requeue_at)
      VALUES (${id}, ${userId}, ${status}::accrual_status, CASE WHEN ${hasValue} THEN 0 END,
              CASE WHEN ${isSettled} THEN 1 END, CASE WHEN ${isSettled} THEN 0 END, now())`
    return { id, userId, number }
  }
  const accrualOf = (orderId: bigint) =>
    database.accrual.findUniqueOrThrow({ where: { orderId }, include: { order: true } })
  const listedOf = async (orderId: bigint) => {
    const [row] = await database.$queryRaw<[{ isListed: boolean }]>`
      SELECT uploaded_at IS NOT NULL AS "isListed" FROM orders WHERE id = ${orderId}`
    return row.isListed
  }

  it("which there are", async () => {
    expect(await statusesIn("true")).toEqual(STATUSES)
  })

  it.each(CHECKED)("$constraint, of a row with $row", async ({ constraint, row, allowed }) => {
    const [{ condition }] = await database.$queryRaw<[{ condition: string }]>`
      SELECT pg_get_expr(conbin, conrelid) AS condition FROM pg_constraint
       WHERE conname = ${constraint}`
    expect(await statusesIn(condition, row)).toEqual(allowed)
  })

  it("and no other CHECK says anything of a status", async () => {
    const found = await database.$queryRaw<{ name: string }[]>`
      SELECT DISTINCT conname::text AS name FROM pg_constraint, pg_attribute
       WHERE contype = 'c' AND attrelid = conrelid AND attnum = ANY (conkey)
         AND atttypid = 'accrual_status'::regtype`
    const compared = new Set(CHECKED.map(({ constraint }) => constraint))
    expect(new Set(found.map(({ name }) => name))).toEqual(compared)
  })

  it("indexes of some statuses hold the polled ones", async () => {
    const indexes = await database.$queryRaw<{ name: string; condition: string }[]>`
      SELECT indexrelid::regclass::text AS name, pg_get_expr(indpred, indrelid) AS condition
        FROM pg_index
       WHERE pg_get_expr(indpred, indrelid) LIKE '%accrual_status%'`
    expect(indexes.length).toBeGreaterThan(0)
    for (const { name, condition } of indexes) {
      expect({ name, holds: await statusesIn(condition) }).toEqual({ name, holds: POLLED_STATUSES })
    }
  })

  it.each(STATUSES)("autoscaling_signal counts an order in %s if it is polled", async (status) => {
    const count = async () => {
      const [row] = await database.$queryRaw<[{ orders: number }]>`
        SELECT due_orders AS orders FROM autoscaling_signal`
      return row.orders
    }
    const before = await count()
    await orderIn(status)
    expect((await count()) - before).toBe(Number(STATUS_RULES[status].isPolled))
  })

  it.each(STATUSES)("an upload of an order in %s opens it if it is reopenable", async (status) => {
    const { id, userId, number } = await orderIn(status)
    const isReopened = STATUS_RULES[status].isReopenable
    const outcome = isReopened ? "accepted" : "already_uploaded"
    expect(await recordOrders(database, [{ userId, number }], LEASE_MS)).toEqual([outcome])
    const after = await accrualOf(id)
    if (isReopened) expect(POLLED_STATUSES).toContain(after.status)
    else expect(after.status).toBe(status)
  })

  describe.each<ScoringAnswer>([
    processed(100),
    { kind: "INVALID" },
    { kind: "NOT_REGISTERED" },
    { kind: "NOT_FINAL" },
  ])("the answer $kind", (answer) => {
    const isVerdict = final.some((status) => STATUS_RULES[status].settledBy === answer.kind)

    it.each(STATUSES)("about an order in %s", async (status) => {
      const { id } = await orderIn(status)
      const { isListed, isPolled, isFinal } = STATUS_RULES[status]
      const first = await settleOne(database, id, answer, NO_GRACE_MS)
      // Only the second answer in a row that the order is unknown settles it.
      const { outcome } =
        first.unknownMs === null ? first : await settleOne(database, id, answer, NO_GRACE_MS)
      const settles = !isFinal && isListed && (isVerdict || answer.kind === "NOT_REGISTERED")
      if (!isListed) expect(outcome).toBe("not_awaited")
      else if (settles && (isVerdict || isPolled)) expect(outcome).toBe("settled")
      else if (isPolled) expect(outcome).toBe("waiting")
      else expect(["already_settled", "contradicted"]).toContain(outcome)
      const after = await accrualOf(id)
      const isSettledBy = STATUS_RULES[after.status].settledBy === answer.kind
      expect({ status: after.status, isSettledBy }).toEqual({
        status: outcome === "settled" ? after.status : status,
        isSettledBy: outcome === "settled" || STATUS_RULES[status].settledBy === answer.kind,
      })
    })
  })

  it("every status is one that a function brings orders to, with what the rules say", async () => {
    const reached = new Set<AccrualStatus>()
    const expectAsRuled = async (orderId: bigint) => {
      const { status, value, version } = await accrualOf(orderId)
      reached.add(status)
      const { isListed, hasValue, settledBy } = STATUS_RULES[status]
      expect({
        status,
        isListed: await listedOf(orderId),
        hasValue: value !== null,
        isSettled: version !== null,
      }).toEqual({ status, isListed, hasValue, isSettled: settledBy !== null })
    }
    const { userId } = await createUserWithPoints(database, 100)
    const number = newNumber()
    const spent = { userId, idempotencyKey: "one", number, value: pointsFromHundredths(100) }
    expect(await withdraw(database, { ...spent, ownedOnly: false })).toBe("withdrawn")
    const named = await database.order.findUniqueOrThrow({ where: { number } })
    await expectAsRuled(named.id)
    for (const answer of [undefined, processed(1), "INVALID", "NOT_REGISTERED"] as const) {
      const orderId = await recordOne(database, userId)
      const given = typeof answer === "string" ? ({ kind: answer } as const) : answer
      // The order may have to be unknown twice.
      for (const _time of [1, 2]) {
        if (given !== undefined) await settleOne(database, orderId, given, NO_GRACE_MS)
      }
      await expectAsRuled(orderId)
    }
    expect([...reached].toSorted()).toEqual(STATUSES.toSorted())
  })
})
