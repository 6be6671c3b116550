/**
 * Gives what says whether it is time again: true the first time it is asked, and then once in
 * `intervalMs`. For what would otherwise be logged many times a second.
 */
export function atMostEvery(intervalMs: number): () => boolean {
  let lastAt = -Infinity
  return () => {
    const now = performance.now()
    if (now - lastAt < intervalMs) return false
    lastAt = now
    return true
  }
}
