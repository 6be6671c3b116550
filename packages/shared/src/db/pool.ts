import { type ClientBase, Pool, type PoolConfig } from "pg"

interface OwnPoolConfig extends Omit<PoolConfig, "onConnect"> {
  /** Waited for before a new connection is used, which the library's types do not say. */
  onConnect?: (client: ClientBase) => Promise<unknown>
}

/**
 * Opens a pool of connections, none of which ends the process when it breaks.
 *
 * node-postgres emits `error` on a connection that breaks, and Node ends a process in which nobody
 * listens to that. The pool listens while a connection is idle, and `query` while it runs; between
 * them, and on a connection that somebody has checked out, there may be nobody. Whoever uses the
 * connection learns of it from the statement that fails.
 */
export function openPool(config: OwnPoolConfig): Pool {
  const pool = new Pool(config as PoolConfig)
  pool.on("error", ignore)
  pool.on("connect", (client) => client.on("error", ignore))
  return pool
}

function ignore(): void {}
