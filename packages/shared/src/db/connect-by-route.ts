import { refusalOf } from "./refusals.ts"
import type { Route } from "./route.ts"
import { ServerRoleError } from "./server-role.ts"

/**
 * Connects, and again by the route's other ways when that fails. Rejects with what tells most of why none
 * of them leads to a database.
 *
 * `connect`: opens one connection, by the way that the route has then. `timeoutMs`: after it nothing is
 * begun.
 */
export async function connectByRoute<Connection>(
  route: Route,
  timeoutMs: number,
  connect: () => Promise<Connection>,
): Promise<Connection> {
  const begun = performance.now()
  const errors: unknown[] = []
  for (;;) {
    const { turn } = route
    try {
      return await connect()
    } catch (error) {
      errors.push(error)
      const isOver = performance.now() - begun >= timeoutMs
      if (isOver || turn === route.turn || errors.length >= route.waysCount)
        throw mostTelling(errors)
    }
  }
}

/** What somebody has to change, before what will change by itself; a host that is away says least. */
function mostTelling(errors: unknown[]): unknown {
  return (
    errors.findLast((error) => refusalOf(error) !== undefined) ??
    errors.findLast((error) => error instanceof ServerRoleError) ??
    errors.at(-1)
  )
}
