/** Somebody ended the bench before it was through. */
export class CutShortError extends Error {
  override name = "CutShortError"
}

/** Tells how far the bench is; throws `CutShortError` when it is to end. */
export type Report = (done: number, of: number, now: string) => void

/** A report that throws from the first SIGINT or SIGTERM on. */
export function untilSignal(show: Report): Report {
  let isCutShort = false
  const cut = () => {
    isCutShort = true
  }
  process.once("SIGINT", cut).once("SIGTERM", cut)
  return (done, of, now) => {
    if (isCutShort) throw new CutShortError("the bench was ended")
    show(done, of, now)
  }
}
