import { type ClientBase, Pool, type PoolClient, type PoolConfig } from "pg"
import { connectByRoute } from "./connect-by-route.ts"
import { RoutedClient, type RoutedConfig } from "./routed-client.ts"

interface OwnPoolConfig extends Omit<PoolConfig, "onConnect" | "Client">, RoutedConfig {
  /** Waited for before a new connection is used, which the library's types do not say. */
  onConnect?: (client: ClientBase) => Promise<unknown>
}

type Checkout = Parameters<Pool["connect"]>[0]

/**
 * Opens a pool of connections by a route, none of which ends the process when it breaks.
 */
export function openPool(config: OwnPoolConfig): Pool {
  const pool = new Pool({ ...config, Client: RoutedClient } as unknown as PoolConfig)
  pool.on("error", () => {})
  const checkOut = pool.connect.bind(pool) as () => Promise<PoolClient & RoutedClient>
  const { route, connectionTimeoutMillis: timeoutMs = Infinity } = config
  const connect = (): Promise<PoolClient> => connectByRoute(route, timeoutMs, checkOut)
  Object.assign(pool, {
    connect: (callback?: Checkout) => {
      if (callback === undefined) return connect()
      return void tellConnected(connect(), callback)
    },
  })
  return pool
}

async function tellConnected(connected: Promise<PoolClient>, callback: Checkout): Promise<void> {
  let client: PoolClient
  try {
    client = await connected
  } catch (error) {
    callback(error as Error, undefined, () => {})
    return
  }
  callback(undefined, client, (error) => client.release(error))
}
