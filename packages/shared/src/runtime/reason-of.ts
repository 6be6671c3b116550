/** An error in a few words. One of a host with several addresses has a code and no message. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const { code } = error as { code?: string | number }
  return error.message || String(code ?? error.name)
}
