import { describe, expect, test } from "vitest"
import { preferredWaitS } from "./prefer.ts"

describe("the time that a client wants to wait", () => {
  test.each([
    ["wait=10", 10],
    ["respond-async, WAIT = 5; foo", 5],
    ['wait="7"', 7],
    ["wait=50", 50],
    ["wait=51", 50],
    ["wait=9999999999", 50],
    [`wait=${"9".repeat(400)}`, 50],
    ['foo="a, wait=1", wait=2', 2],
    ['foo="a\\", wait=1", wait=2', 2],
    ['wait=3; foo="a, b"', 3],
    ["wait=1, wait=2", 1],
    [["wait=1", "wait=2"], 1],
  ])("%j is %d s", (header, seconds) => {
    expect(preferredWaitS(header)).toBe(seconds)
  })

  test.each([
    undefined,
    "",
    "wait",
    "wait=",
    "wait=x, wait=5",
    "wait, wait=5",
    "await=5",
    'foo="a, wait=1"',
    'foo="a, wait=1',
    'wait="1',
    'wait=1"',
    'wait="1, wait=5',
    'foo=", wait=1;\\',
  ])("%j names none", (header) => {
    expect(preferredWaitS(header)).toBeUndefined()
  })

  test.each(["wait=Infinity", "wait=1e309", "wait=-1", "wait=0x1", "wait=1.5"])(
    "%s is no number of seconds",
    (header) => {
      expect(preferredWaitS(header)).toBeUndefined()
    },
  )
})
