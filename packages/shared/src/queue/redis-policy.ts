import type { Redis } from "ioredis"
import type { Logger } from "../runtime/logger.ts"

/** What is wrong with how a Redis is set up, although it works so far. */
export interface PolicyFault {
  kind: "evicts" | "keeps nothing"
  found: string
  mend: string
}

const IN_THE_FILE =
  "and the same in its configuration file, or in the parameters of a managed one; in a cluster on every node"

/**
 * Asks a Redis whether it keeps what it is given. What it does not tell, because its user lacks the
 * right or a provider has taken the command away, is not held against it. Rejects when it
 * does not say anything.
 */
export async function findPolicyFaults(redis: Redis): Promise<PolicyFault[]> {
  const info = String(await redis.call("INFO"))
  const saves = await redis.config("GET", "save").catch(() => undefined)
  return policyFaults(info, Array.isArray(saves) ? saves.map(String)[1] : undefined)
}

/** `saves`: when it writes a snapshot, as its setting `save` has it; undefined when it does not say. */
export function policyFaults(info: string, saves: string | undefined): PolicyFault[] {
  const fieldOf = (name: string) => new RegExp(`^${name}:(.*?)\\r?$`, "m").exec(info)?.[1]
  const policy = fieldOf("maxmemory_policy") ?? "noeviction"
  const faults: PolicyFault[] = []
  // Without a limit it never evicts.
  if (policy !== "noeviction" && Number(fieldOf("maxmemory") ?? 0) > 0) {
    faults.push({
      kind: "evicts",
      found: `maxmemory-policy is ${policy}: when its memory is full it removes what the queue needs`,
      mend: `redis-cli CONFIG SET maxmemory-policy noeviction, ${IN_THE_FILE}`,
    })
  }
  if (fieldOf("aof_enabled") === "0" && saves === "") {
    faults.push({
      kind: "keeps nothing",
      found:
        "it writes neither an append-only file nor snapshots: after a restart the queue is empty, and rebuilt",
      mend: `redis-cli CONFIG SET appendonly yes, ${IN_THE_FILE}`,
    })
  }
  return faults
}

/** Says so once, when the connection is first ready. */
export function warnOfPolicy(redis: Redis, logger: Logger): void {
  redis.once("ready", () => {
    findPolicyFaults(redis).then(
      (faults) => {
        for (const { found, mend } of faults) logger.warn({ found, mend }, "Redis is set up badly")
      },
      // It is asked again at the next start.
      () => {},
    )
  })
}
