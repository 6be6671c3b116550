import { parseOrderNumber, type OrderNumber } from "@gofermart/shared/domain/order-number.ts"
import { pointsFromHundredths, type Points } from "@gofermart/shared/domain/points.ts"
import { ConfigError } from "@gofermart/shared/runtime/env.ts"
import { computeReward, type Good, type Mechanic } from "./rewards.ts"
import type { StateFile, StateRecord } from "./state-file.ts"

const LAST_DIGITS = 3
const DERIVED_HUNDREDTHS_MIN = 100

export interface RegistryLimits {
  mechanicsMax: number
  ordersMax: number
}

export type Verdict = { status: "INVALID" } | { status: "PROCESSED"; accrual: Points }
export type Answer = { status: "REGISTERED" | "PROCESSING" } | Verdict

interface KnownOrder {
  verdict: Verdict
  pendingAnswers: number
  told: boolean
}

/**
 * The goods and orders the scoring system knows, in memory, and in `file` when there is one: then
 * everything is written before it counts.
 *
 * An order's verdict is fixed when it is registered. When polled, it first answers
 * REGISTERED, then PROCESSING, as often as the caller wants answers that are not final, and then
 * its verdict: INVALID or PROCESSED. From then on it answers nothing else.
 */
export class Registry {
  readonly #limits: RegistryLimits
  readonly #file: StateFile | undefined
  readonly #mechanics: Mechanic[] = []
  readonly #matches = new Set<string>()
  readonly #orders = new Map<OrderNumber, KnownOrder>()

  /** Throws a `ConfigError` when the file holds what cannot be registered. */
  constructor(limits: RegistryLimits, file?: StateFile) {
    this.#limits = limits
    for (const [i, record] of file?.records.entries() ?? []) {
      if (this.#restore(record)) continue
      throw new ConfigError(`record ${i + 1} of the state file cannot be registered`)
    }
    // Set only now: what comes from the file need not be written to it again.
    this.#file = file
  }

  /** Registers a mechanic; its match is known when another has the same in whatever case. */
  addMechanic(mechanic: Mechanic): "added" | "known" | "full" {
    const match = mechanic.match.toLowerCase()
    if (this.#matches.has(match)) return "known"
    if (this.#mechanics.length >= this.#limits.mechanicsMax) return "full"
    this.#file?.append(mechanic)
    this.#matches.add(match)
    this.#mechanics.push(mechanic)
    return "added"
  }

  /** Registers an order with what its goods earn by the mechanics known now. */
  addOrder(number: OrderNumber, goods: readonly Good[]): "added" | "known" | "full" | "too large" {
    const accrual = computeReward(goods, this.#mechanics)
    if (accrual === undefined) return "too large"
    return this.#add(number, { status: "PROCESSED", accrual })
  }

  /** Registers an order that earns nothing, for a fault of its own. */
  addInvalidOrder(number: OrderNumber): "added" | "known" | "full" {
    return this.#add(number, { status: "INVALID" })
  }

  /** Registers an order nobody has registered, with an accrual that depends on its number alone. */
  addDerivedOrder(number: OrderNumber): "added" | "known" | "full" {
    return this.#add(number, { status: "PROCESSED", accrual: derivedAccrual(number) })
  }

  /** Polls an order that is to give `pendingAnswers` answers before its verdict. */
  poll(number: OrderNumber, pendingAnswers: number): Answer | undefined {
    const order = this.#orders.get(number)
    if (order === undefined) return undefined
    if (!order.told && order.pendingAnswers < pendingAnswers) {
      order.pendingAnswers += 1
      return { status: order.pendingAnswers === 1 ? "REGISTERED" : "PROCESSING" }
    }
    order.told = true
    return order.verdict
  }

  #add(number: OrderNumber, verdict: Verdict): "added" | "known" | "full" {
    if (this.#orders.has(number)) return "known"
    if (this.#orders.size >= this.#limits.ordersMax) return "full"
    this.#file?.append(orderRecord(number, verdict))
    this.#orders.set(number, { verdict, pendingAnswers: 0, told: false })
    return "added"
  }

  #restore(record: StateRecord): boolean {
    if ("match" in record) return this.addMechanic(record) === "added"
    const number = parseOrderNumber(record.order)
    if (number === undefined) return false
    return this.#add(number, recordedVerdict(record.accrualHundredths)) === "added"
  }
}

/**
 * What an order earns that nobody registered: 1.00 points, and a hundredth for each unit of the
 * number that its last three digits make, so from 1.00 to 10.99.
 */
export function derivedAccrual(number: OrderNumber): Points {
  return pointsFromHundredths(DERIVED_HUNDREDTHS_MIN + Number(number.slice(-LAST_DIGITS)))
}

function orderRecord(order: OrderNumber, verdict: Verdict): StateRecord {
  return verdict.status === "INVALID" ? { order } : { order, accrualHundredths: verdict.accrual }
}

function recordedVerdict(accrualHundredths: number | undefined): Verdict {
  if (accrualHundredths === undefined) return { status: "INVALID" }
  return { status: "PROCESSED", accrual: pointsFromHundredths(accrualHundredths) }
}
