import type { Redis } from "ioredis"

/** With the prefix of all that BullMQ writes, which is what a user's rights are given for. */
const READY_KEY = "bull:ready"
/** Longer than between two writes, so that the key is there as long as somebody asks. */
const KEY_LIFETIME_MS = 60_000

/**
 * Writes what shows that Redis takes a write of this user: the start and the readiness ask the same,
 * so that what has started can become ready. Rejects with Redis' reply when it does not.
 */
export async function writeReadyKey(redis: Redis): Promise<void> {
  await redis.set(READY_KEY, 1, "PX", KEY_LIFETIME_MS)
}
