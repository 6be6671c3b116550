import { syncBuiltinESMExports } from "node:module"
import timers, { setImmediate as turn } from "node:timers/promises"
import { vi } from "vitest"

/** Stops the clock: only waits move it on, and end at once. Gives what lets it go on again. */
export function passWaits(): () => void {
  vi.useFakeTimers({ toFake: ["Date", "performance"] })
  const wait = vi.spyOn(timers, "setTimeout").mockImplementation(async (ms, value) => {
    vi.advanceTimersByTime(ms ?? 0)
    return await turn(value)
  })
  syncBuiltinESMExports()
  return () => {
    wait.mockRestore()
    syncBuiltinESMExports()
    vi.useRealTimers()
  }
}
