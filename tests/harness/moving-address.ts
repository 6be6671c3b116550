import { openRelay, type Relay } from "./relay.ts"

/** An address that leads to one server and later to another, as a virtual IP or a proxy does. */
export interface MovingAddress extends Relay {
  /** Leads new connections to another server; those that are open stay where they are. */
  moveTo(serverUrl: string): void
}

/** Opens one on a port of its own, which leads to the server of `serverUrl` first. */
export async function openMovingAddress(serverUrl: string): Promise<MovingAddress> {
  let target = new URL(serverUrl)
  const relay = await openRelay(
    serverUrl,
    () => target,
    (near, far) => near.pipe(far).pipe(near),
  )
  return {
    ...relay,
    moveTo(serverUrlNow) {
      target = new URL(serverUrlNow)
    },
  }
}
