import { describe, expect, it } from "vitest"
import { policyFaults } from "./redis-policy.ts"

const info = (maxmemory: number, policy: string, aof: number) =>
  `# Memory\r\nmaxmemory:${maxmemory}\r\nmaxmemory_policy:${policy}\r\n# Persistence\r\naof_enabled:${aof}\r\n`
const kinds = (text: string, saves: string | undefined) =>
  policyFaults(text, saves).map(({ kind }) => kind)

describe("what is wrong with how a Redis is set up", () => {
  it.each([
    ["it evicts", info(1, "allkeys-lru", 1), "", ["evicts"]],
    ["it evicts some", info(1, "volatile-lru", 1), "", ["evicts"]],
    ["it would, and has no limit", info(0, "allkeys-lru", 1), "", []],
    ["nothing", info(1, "noeviction", 1), "", []],
    ["it writes nothing to disk", info(0, "noeviction", 0), "", ["keeps nothing"]],
    ["it writes snapshots", info(0, "noeviction", 0), "3600 1", []],
    ["both", info(1, "allkeys-lfu", 0), "", ["evicts", "keeps nothing"]],
    ["nothing that a managed one tells", info(1, "noeviction", 0), undefined, []],
    ["nothing that is told at all", "# Server\r\nredis_version:7.0.15\r\n", undefined, []],
  ])("is told: %s", (_what, text, saves, faults) => {
    expect(kinds(text, saves)).toEqual(faults)
  })
})
