import { type ClientBase, Pool, type PoolClient, type PoolConfig } from "pg"
import { connectByRoute } from "./connect-by-route.ts"
import { RoutedClient, type RoutedConfig } from "./routed-client.ts"
import { UnansweredConnections } from "./unanswered-connections.ts"

interface OwnPoolConfig extends Omit<PoolConfig, "onConnect" | "Client">, RoutedConfig {
  /** Waited for before a new connection is used, which the library's types do not say. */
  onConnect?: (client: ClientBase) => Promise<unknown>
}

type Checkout = Parameters<Pool["connect"]>[0]

/**
 * Opens a pool of connections by a route, none of which ends the process when it breaks.
 *
 * One whose statement was given up without an answer keeps its place until the server has answered:
 * otherwise more and more statements would be under way there.
 */
export function openPool(config: OwnPoolConfig): Pool {
  const pool = new Pool({ ...config, Client: RoutedClient } as unknown as PoolConfig)
  pool.on("error", () => {})
  const unanswered = new UnansweredConnections(config)
  const checkOut = pool.connect.bind(pool) as () => Promise<PoolClient & RoutedClient>
  const end = pool.end.bind(pool) as () => Promise<void>

  const connect = async (): Promise<PoolClient> => {
    const { route, connectionTimeoutMillis: timeoutMs = Infinity } = config
    const client = await connectByRoute(route, timeoutMs, checkOut)
    const release = client.release.bind(client)
    client.release = (error) => {
      if (client.isAnswered) release(error)
      else unanswered.keep(client, () => release(error ?? true))
    }
    return client
  }
  Object.assign(pool, {
    connect: (callback?: Checkout) => {
      if (callback === undefined) return connect()
      return void tellConnected(connect(), callback)
    },
    end: () => {
      unanswered.dropAll()
      return end()
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
