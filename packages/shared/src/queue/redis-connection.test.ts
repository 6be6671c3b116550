import { describe, expect, it } from "vitest"
import { noPrimaryReason } from "./redis-connection.ts"

describe("an error of Redis", () => {
  it.each([
    ["Redis 7, Valkey", "READONLY You can't write against a read only replica.", "READONLY"],
    [
      "Redis 7, Valkey, in a script",
      "READONLY You can't write against a read only replica. script: 1e9bb7, on @user_script:9.",
      "READONLY",
    ],
    [
      "Redis 6, in a script",
      "ERR Error running script (call to f_1e9bb7): @user_script:9: @user_script: 9: -READONLY You can't write against a read only replica. ",
      "READONLY",
    ],
    [
      "a blocking read while the role changes",
      "UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)",
      "UNBLOCKED",
    ],
    ["loading", "LOADING Redis is loading the dataset in memory", undefined],
    ["a replica without its primary", "MASTERDOWN Link with MASTER is down", undefined],
    ["a cluster without all slots", "CLUSTERDOWN The cluster is down", undefined],
    ["too few replicas", "NOREPLICAS Not enough good replicas to write.", undefined],
    ["full", "OOM command not allowed when used memory > 'maxmemory'.", undefined],
    [
      "a user without rights",
      "NOPERM User x has no permissions to run the 'set' command",
      undefined,
    ],
  ])("says whether the server is no primary any more: %s", (_name, message, reason) => {
    expect(noPrimaryReason(message)).toBe(reason)
  })
})
