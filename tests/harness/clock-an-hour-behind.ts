// Imported by a process before anything else, it gives that process a clock that is wrong.
const HOUR_MS = 3_600_000
const RealDate = Date

globalThis.Date = class extends RealDate {
  constructor(...given: unknown[]) {
    super(...((given.length === 0 ? [RealDate.now() - HOUR_MS] : given) as [number]))
  }

  static override now(): number {
    return RealDate.now() - HOUR_MS
  }
} as DateConstructor
