import { onTestFinished, TestRunner } from "vitest"

let resources = new AsyncDisposableStack()

/** Has something done after the last test of the file that runs, and after its own hooks. */
export function atFileEnd(end: () => Promise<void>): void {
  resources.defer(end)
}

/**
 * Has something done after the test that runs, or where none does after the last of the file. What is
 * returned does it before; it is done once, however often that is called.
 */
export function atEndOrBefore(end: () => Promise<void>): () => Promise<void> {
  let ended: Promise<void> | undefined
  const endOnce = () => (ended ??= end())
  if (TestRunner.getCurrentTest() === undefined) atFileEnd(endOnce)
  else onTestFinished(endOnce)
  return endOnce
}

/** Does all of it, the latest first; one that fails does not keep the others from being done. */
export async function endFile(): Promise<void> {
  const ended = resources
  resources = new AsyncDisposableStack()
  await ended.disposeAsync()
}
