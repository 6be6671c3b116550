import { expect, it } from "vitest"
import { KnownPause } from "./known-pause.ts"

function row(pausedUntil: number, pauseMs: number) {
  return { pausedUntil, pauseMs }
}

it("a pause that the row no longer has is over", () => {
  const pause = new KnownPause()
  pause.read(row(70_000, 60_000), 0, 1_000)
  expect(pause.endsAt).toBe(61_000)
  pause.read(row(11_000, 0), 0, 2_000)
  expect(pause.endsAt).toBe(2_000)
})

it("a worker's own pause stays until it is written, and is the row's from then on", () => {
  const pause = new KnownPause()
  pause.begin(9_000)
  pause.read(row(500, -500), 0, 1_000)
  expect(pause.endsAt).toBe(9_000)
  pause.wrote(9_000)
  expect(pause.endsAt).toBe(9_000)
  pause.read(row(2_000, 0), 1, 2_000)
  expect(pause.endsAt).toBe(2_000)
})

it("a row that was read before a pause was written does not end that", () => {
  const pause = new KnownPause()
  pause.begin(9_000)
  const { writes } = pause
  pause.wrote(9_000)
  pause.read(row(500, -500), writes, 1_000)
  expect(pause.endsAt).toBe(9_000)
})

it("a longer pause that began while another was written stays", () => {
  const pause = new KnownPause()
  pause.begin(5_000)
  pause.begin(9_000)
  pause.wrote(5_000)
  pause.read(row(15_000, 4_000), 1, 1_000)
  expect(pause.endsAt).toBe(9_000)
})

it("the same pause is not longer when the row is read again, whatever the database's clock is", () => {
  const pause = new KnownPause()
  pause.read(row(70_000, 60_000), 0, 1_000)
  pause.read(row(70_000, 600_000), 0, 1_500)
  expect(pause.endsAt).toBe(61_000)
})

it("a pause that is written counts as one, for who read the row before", () => {
  const pause = new KnownPause()
  expect(pause.writes).toBe(0)
  pause.wrote(1_000)
  expect(pause.writes).toBe(1)
})
