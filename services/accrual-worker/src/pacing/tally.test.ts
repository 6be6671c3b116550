import { expect, it } from "vitest"
import { UnreportedAnswers } from "./tally.ts"

it("answers are taken once", () => {
  const answers = new UnreportedAnswers()
  answers.add({ calls: 1, answerMs: 20 })
  answers.add({ calls: 1, answerMs: 40 })
  expect(answers.take()).toEqual({ calls: 2, answerMs: 60 })
  expect(answers.take()).toEqual({ calls: 0, answerMs: 0 })
})

it("those of a report that failed are taken with the next, beside those that came meanwhile", () => {
  const answers = new UnreportedAnswers()
  answers.add({ calls: 3, answerMs: 30 })
  const failed = answers.take()
  answers.add({ calls: 1, answerMs: 5 })
  answers.add(failed)
  expect(answers.take()).toEqual({ calls: 4, answerMs: 35 })
})
