import { once } from "node:events"
import type { Redis } from "ioredis"
import { writeReadyKey } from "../queue/ready-key.ts"
import { readRefusal } from "../queue/redis-refusal.ts"
import { withTimeout } from "../runtime/with-timeout.ts"
import { NotWritableError, reasonNotWritable } from "./reasons.ts"

/** For a connection that is being opened anew. */
const READY_TIMEOUT_MS = 400
/** For a server to say whether it is loading. */
const EXPLANATION_TIMEOUT_MS = 300

/**
 * Gives what asks Redis to take a write on the connection that the queue itself uses, of a key with
 * its prefix. A read would pass on a replica, and a `DEL` in a Redis without memory.
 *
 * It rejects with Redis' reply, or with what keeps the connection from being opened.
 */
export function redisWrite(connection: Redis, prefix: string): () => Promise<void> {
  let lastError: Error | undefined
  connection.on("error", (error: Error) => (lastError = error))
  connection.on("connect", () => (lastError = undefined))
  return async () => {
    if (connection.status !== "ready") {
      const signal = AbortSignal.timeout(READY_TIMEOUT_MS)
      await once(connection, "ready", { signal }).catch(() => {})
    }
    if (connection.status !== "ready") throw await explain(connection, lastError)
    await writeReadyKey(connection, prefix)
  }
}

/** Why a connection is not ready, as an error. `lastError`: since it was last opened. */
async function explain(connection: Redis, lastError: Error | undefined): Promise<Error> {
  if (lastError !== undefined) {
    const said = reasonNotWritable(lastError) === "unreachable" ? await readRefusal(connection) : ""
    return said === "" ? lastError : new Error(said)
  }
  if (connection.status !== "connect") return new NotWritableError("unreachable")
  // It is open, and ioredis waits without a word: the server loads its data, or is silent.
  const asked = withTimeout(connection.info("persistence"), EXPLANATION_TIMEOUT_MS, "no answer")
  const info = await asked.catch(() => "")
  return new NotWritableError(/^loading:1/m.test(info) ? "starting" : "no_answer")
}
