import { describe, expect, it } from "vitest"
import { knownOutcome, outcomesOf } from "./outcomes.ts"

describe("the outcomes of one call", () => {
  it("are the usual one but for those that are told, by their position from 1", () => {
    const told = { usual: 2, others: { 2: "taken" } }
    expect(outcomesOf(["a", "b", "c"], "accepted", told)).toEqual(["accepted", "taken", "accepted"])
  })

  it("are all the usual one where no other is told", () => {
    expect(outcomesOf(["a"], "accepted", { usual: 1, others: null })).toEqual(["accepted"])
  })

  it.each([
    { usual: 1, others: null },
    { usual: 3, others: null },
    { usual: 1, others: { 1: "taken", 2: "taken" } },
  ])("are refused when they are not as many as the inputs: %j", (told) => {
    expect(() => outcomesOf(["a", "b"], "accepted", told)).toThrow("an outcome for each input")
  })
})

describe("an outcome", () => {
  it("is one that is known", () => {
    expect(knownOutcome(["accepted", "taken"], "taken")).toBe("taken")
  })

  it("of a newer release is refused: it must not pass for a success", () => {
    expect(() => knownOutcome(["accepted", "taken"], "too_late")).toThrow(
      "the outcome too_late, which is not known here",
    )
  })
})
