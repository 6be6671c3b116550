import { randomUUID } from "node:crypto"
import { createGofermartClient } from "@gofermart/client"
import type { Database } from "@gofermart/shared/db/client.ts"
import { type OrderNumber, withCheckDigit } from "@gofermart/shared/domain/order-number.ts"
import { pointsFromHundredths } from "@gofermart/shared/domain/points.ts"
import { recordOrders } from "@gofermart/shared/ledger/record-orders.ts"
import { withdraw } from "@gofermart/shared/ledger/withdraw.ts"
import { LEASE_MS, processed, settleMany } from "../harness/ledger.ts"
import { newLogin, newNumbers } from "../harness/numbers.ts"
import { forge } from "../refusals/forge.ts"

/** A list of so many is long enough to be compressed. */
const ORDERS = 30
const WITHDRAWALS = 3
/** More than all withdrawals of a run come to. */
const EARNED_HUNDREDTHS = 1_000_000_00
const SPENT_HUNDREDTHS = 12_34

const ID_DIGITS = 6

export const PASSWORD = "what the fuzzer's customers type"

export interface Person {
  id: bigint
  login: string
  token: string
  numbers: OrderNumber[]
}

/** Makes customers as if they had registered; of the costly hash of their password there is one. */
export class People {
  readonly #database: Database
  readonly #hash: string
  readonly #run = `${Date.now()}${process.pid}`

  private constructor(database: Database, hash: string) {
    this.#database = database
    this.#hash = hash
  }

  static async begin(apiUrl: string, database: Database): Promise<People> {
    const login = newLogin()
    const body = { login, password: PASSWORD }
    await createGofermartClient(apiUrl).POST("/api/user/register", { body })
    const { password } = await database.user.findUniqueOrThrow({ where: { login } })
    return new People(database, password)
  }

  /** Somebody who has done nothing yet. */
  async newcomer(): Promise<Person> {
    const login = newLogin()
    const data = { login, password: this.#hash, balance: { create: {} } }
    const { id } = await this.#database.user.create({ data })
    return { id, login, token: forge(id), numbers: [] }
  }

  /** Somebody with orders, points and withdrawals. */
  async member(): Promise<Person> {
    const person = await this.newcomer()
    const { id: userId } = person
    const numbers = newNumbers(ORDERS)
    const recorded = numbers.map((number) => ({ userId, number }))
    await recordOrders(this.#database, recorded, LEASE_MS)
    const orders = await this.#database.order.findMany({ where: { userId } })
    const answer = processed(EARNED_HUNDREDTHS)
    await settleMany(
      this.#database,
      orders.map(({ id }) => ({ orderId: id, answer })),
    )
    for (const number of numbers.slice(0, WITHDRAWALS)) {
      const value = pointsFromHundredths(SPENT_HUNDREDTHS)
      const idempotencyKey = randomUUID()
      await withdraw(this.#database, { userId, idempotencyKey, number, value, ownedOnly: true })
    }
    return { ...person, numbers }
  }

  /** A number that nobody but this person uploads; another one for each of these. */
  numberOf({ id }: Person, drawn: number): OrderNumber {
    return withCheckDigit(`4${this.#run}${String(id).padStart(ID_DIGITS, "0")}${drawn}`)
  }

  loginOf(drawn: number): string {
    return `fuzz-${this.#run}-${drawn}`
  }
}
