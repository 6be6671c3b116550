import { describe, expect, test } from "vitest"
import { computeReward, type Good, type Mechanic } from "./rewards.ts"

const fivePercent: Mechanic = { match: "Bork", reward: 5, rewardType: "%" }

function good(price: number, description = "Bork kettle"): Good {
  return { description, price }
}

describe("computeReward", () => {
  test("gives the published contract's example 729.98: 729.975 is rounded half up", () => {
    const goods = [good(47_399.99, "LG monitor"), good(14_599.5, "Bork coffee maker")]
    expect(computeReward(goods, [fivePercent])).toBe(729_98)
  })

  test("is exact where doubles are not", () => {
    const percent = (reward: number): Mechanic[] => [{ match: "bork", reward, rewardType: "%" }]
    expect(0.1 + 0.2).not.toBe(0.3)
    expect(computeReward([good(0.1), good(0.2)], percent(100))).toBe(30)
    // As doubles 1.005 × 100 and 8.345 × 100 are a little less than they should be.
    expect(computeReward([good(1.005)], percent(100))).toBe(1_01)
    expect(computeReward([good(834.5)], percent(1))).toBe(8_35)
    expect(computeReward([good(90_071_992_547_409)], percent(100))).toBe(9_007_199_254_740_900)
  })

  test("rounds the sum once, not each good", () => {
    const tiny = good(0.1)
    expect(computeReward([tiny], [fivePercent])).toBe(1)
    expect(computeReward([tiny, tiny, tiny], [fivePercent])).toBe(2)
  })

  test("rounds down just below half a hundredth, however little is missing", () => {
    const points = (reward: number): Mechanic[] => [{ match: "", reward, rewardType: "pt" }]
    expect(computeReward([good(1)], points(0.004999999999999999))).toBe(0)
    expect(computeReward([good(1)], points(0.005))).toBe(1)
    expect(computeReward([good(1)], points(Number.MIN_VALUE))).toBe(0)
  })

  test("counts points once for each matching good", () => {
    const mechanics: Mechanic[] = [{ match: "Bork", reward: 10.5, rewardType: "pt" }]
    expect(computeReward([good(1), good(0), good(5, "LG")], mechanics)).toBe(21_00)
  })

  test("lets the first registered mechanic count for a good, in whatever case", () => {
    const mechanics: Mechanic[] = [
      { match: "KETTLE", reward: 1, rewardType: "pt" },
      { match: "bork", reward: 2, rewardType: "pt" },
    ]
    expect(computeReward([good(100, "bork Kettle")], mechanics)).toBe(1_00)
    expect(computeReward([good(100, "BORK toaster")], mechanics)).toBe(2_00)
  })

  test("gives nothing for goods that nothing matches", () => {
    expect(computeReward([good(100, "LG")], [fivePercent])).toBe(0)
    expect(computeReward([good(100)], [])).toBe(0)
    expect(computeReward([], [fivePercent])).toBe(0)
  })

  test("adds amounts of any size, and refuses only sums too large to be points", () => {
    const everything: Mechanic[] = [{ match: "", reward: 100, rewardType: "%" }]
    const tiny = good(Number.MIN_VALUE)
    expect(computeReward([good(729.98), tiny], everything)).toBe(729_98)
    expect(computeReward([good(1e-7), good(123e-7)], everything)).toBe(0)
    expect(computeReward([good(1e21)], everything)).toBeUndefined()
    expect(computeReward([good(Number.MAX_VALUE), tiny], everything)).toBeUndefined()
  })

  test("throws for what is not a number from 0", () => {
    for (const price of [-1, Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(() => computeReward([good(price)], [fivePercent])).toThrow(RangeError)
    }
  })
})
