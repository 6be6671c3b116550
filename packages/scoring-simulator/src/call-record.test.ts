import { expect, test } from "vitest"
import { CallRecord } from "./call-record.ts"

test("keeps the latest calls, oldest first, and forgets them all when told", () => {
  const calls = new CallRecord(3)
  const begin = (number: string) => void (calls.begin(number).status = 200)
  const numbers = () => calls.list().map(({ number }) => number)
  for (const number of ["1", "2"]) begin(number)
  expect(numbers()).toEqual(["1", "2"])
  for (const number of ["3", "4", "5", "6", "7"]) begin(number)
  expect(numbers()).toEqual(["5", "6", "7"])
  calls.clear()
  expect(numbers()).toEqual([])
  begin("8")
  expect(numbers()).toEqual(["8"])
})
