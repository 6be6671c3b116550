import { type Redis, type SentinelConnectionOptions, SentinelConnector } from "ioredis"

/**
 * Finds the primary by its Sentinels. Of one that is away ioredis would write to the standard error, beside the
 * log, each time it listens for a failover: the others are asked, and when there is none, that is an
 * error of the connection to the primary.
 */
export class QuietSentinelConnector extends SentinelConnector {
  constructor(options: unknown) {
    super(options as SentinelConnectionOptions)
    const own = this as unknown as { connectToSentinel: (...args: unknown[]) => Redis }
    const open = own.connectToSentinel.bind(this)
    own.connectToSentinel = (...args) => open(...args).on("error", () => {})
  }
}
