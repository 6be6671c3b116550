import { expect, test } from "vitest"
import { RateWindow } from "./rate-window.ts"

test("admits so many requests in a window that begins with the first one", () => {
  const rateWindow = new RateWindow()
  const refusedUntilMs = (nowMs: number) => rateWindow.refusedUntilMs(nowMs, 2, 100)
  expect([1_000, 1_050, 1_051, 1_099].map(refusedUntilMs)).toEqual([
    undefined,
    undefined,
    1_100,
    1_100,
  ])
  expect([1_170, 1_171, 1_172].map(refusedUntilMs)).toEqual([undefined, undefined, 1_270])
})

test("admits everything without a limit, and again after a reset", () => {
  const rateWindow = new RateWindow()
  expect(rateWindow.refusedUntilMs(0, 1, 100)).toBeUndefined()
  expect(rateWindow.refusedUntilMs(1, 1, 100)).toBe(100)
  expect(rateWindow.refusedUntilMs(2, 0, 100)).toBeUndefined()
  rateWindow.reset()
  expect(rateWindow.refusedUntilMs(3, 1, 100)).toBeUndefined()
})
