import { Client, type ClientConfig } from "pg"

/**
 * Connects once, and ends the connection after `use`. Nobody waits for that end, which can take long
 * where the connection is broken. Rejects when it cannot connect, and when `use` rejects.
 */
export async function withClient<Result>(
  config: ClientConfig,
  use: (client: Client) => Promise<Result>,
): Promise<Result> {
  const client = new Client(config)
  // A connection that breaks while it is open fails its query as well.
  client.on("error", () => {})
  try {
    await client.connect()
    return await use(client)
  } finally {
    client.end().catch(() => {})
  }
}
