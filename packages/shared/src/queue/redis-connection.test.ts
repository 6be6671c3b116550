import { describe, expect, it } from "vitest"
import { reasonToLeave } from "./redis-connection.ts"

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
    ["a cluster without all slots", "CLUSTERDOWN The cluster is down", "CLUSTERDOWN"],
    ["a cluster whose slot is elsewhere", "MOVED 6257 127.0.0.1:7001", "MOVED"],
    ["a cluster whose slot is being moved", "ASK 6257 127.0.0.1:7001", "ASK"],
    [
      "the same, with some keys here and some there",
      "TRYAGAIN Multiple keys request during rehashing of slot",
      "TRYAGAIN",
    ],
    ["keys in several slots", "CROSSSLOT Keys in request don't hash to the same slot", undefined],
    ["too few replicas", "NOREPLICAS Not enough good replicas to write.", undefined],
    ["full", "OOM command not allowed when used memory > 'maxmemory'.", undefined],
    [
      "a user without rights",
      "NOPERM User x has no permissions to run the 'set' command",
      undefined,
    ],
  ])("says whether the connection is to be left: %s", (_name, message, reason) => {
    expect(reasonToLeave(message)).toBe(reason)
  })
})
