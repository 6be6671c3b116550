import { withCheckDigit } from "@gofermart/shared/domain/order-number.ts"
import { describe, expect, test } from "vitest"
import { derivedAccrual, Registry } from "./registry.ts"

const first = withCheckDigit("1000000000")
const second = withCheckDigit("2000000000")

describe("Registry", () => {
  test("keeps no more mechanics and orders than its limits allow", () => {
    const registry = new Registry({ mechanicsMax: 1, ordersMax: 1 })
    expect(registry.addMechanic({ match: "a", reward: 1, rewardType: "pt" })).toBe("added")
    expect(registry.addMechanic({ match: "b", reward: 1, rewardType: "pt" })).toBe("full")
    expect(registry.addMechanic({ match: "A", reward: 1, rewardType: "pt" })).toBe("known")

    expect(registry.addDerivedOrder(first)).toBe("added")
    expect(registry.addOrder(second, [])).toBe("full")
    expect(registry.addInvalidOrder(second)).toBe("full")
    expect(registry.addInvalidOrder(first)).toBe("known")
    expect(registry.poll(second, 0)).toBeUndefined()
  })

  test("computes the reward by the mechanics known when the order is registered", () => {
    const registry = new Registry({ mechanicsMax: 10, ordersMax: 10 })
    const goods = [{ description: "Bork", price: 100 }]
    registry.addOrder(first, goods)
    registry.addMechanic({ match: "Bork", reward: 5, rewardType: "%" })
    registry.addOrder(second, goods)
    expect(registry.poll(first, 0)).toEqual({ status: "PROCESSED", accrual: 0 })
    expect(registry.poll(second, 0)).toEqual({ status: "PROCESSED", accrual: 500 })
  })

  test("answers nothing but its verdict once that is told", () => {
    const registry = new Registry({ mechanicsMax: 10, ordersMax: 10 })
    registry.addInvalidOrder(first)
    expect(registry.poll(first, 2)).toEqual({ status: "REGISTERED" })
    expect(registry.poll(first, 2)).toEqual({ status: "PROCESSING" })
    expect(registry.poll(first, 2)).toEqual({ status: "INVALID" })
    expect(registry.poll(first, 100)).toEqual({ status: "INVALID" })
  })

  test("derives the accrual of an order nobody registered from its last three digits", () => {
    expect(derivedAccrual(withCheckDigit("1234567890"))).toBe(100 + 903)
    expect(derivedAccrual(withCheckDigit("00"))).toBe(100)
    expect(derivedAccrual(withCheckDigit(""))).toBe(100)
  })
})
