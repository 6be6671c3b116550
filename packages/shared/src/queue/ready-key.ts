import type { Redis } from "ioredis"

/** Longer than between two writes, so that the key is there as long as somebody asks. */
const KEY_LIFETIME_MS = 60_000

/**
 * Writes what shows that Redis takes a write of this user: the start and the readiness ask the same,
 * so that what has started can become ready. The key has the prefix of all that BullMQ writes, which is
 * what a user's rights are given for. Rejects with Redis' reply when it does not.
 */
export async function writeReadyKey(redis: Redis, prefix: string): Promise<void> {
  await redis.set(`${prefix}:ready`, 1, "PX", KEY_LIFETIME_MS)
}
