import { connectByRoute } from "./connect-by-route.ts"
import { RoutedClient, type RoutedConfig } from "./routed-client.ts"

/**
 * Connects once, and ends the connection after `use`. Nobody waits for that end, which can take long
 * where the connection is broken. Rejects when it cannot connect, and when `use` rejects.
 */
export async function withClient<Result>(
  config: RoutedConfig,
  use: (client: RoutedClient) => Promise<Result>,
): Promise<Result> {
  const client = await openClient(config)
  try {
    return await use(client)
  } finally {
    client.end().catch(() => {})
  }
}

/** Opens a connection, which its opener ends. */
function openClient(config: RoutedConfig): Promise<RoutedClient> {
  const { route, connectionTimeoutMillis = Infinity } = config
  return connectByRoute(route, connectionTimeoutMillis, async () => {
    const client = new RoutedClient(config)
    await client.connect()
    return client
  })
}
