import type { Pool, PoolClient } from "pg"
import { Gauge, Histogram } from "prom-client"
import { SECONDS_BUCKETS, secondsSince } from "../runtime/metrics.ts"

const databaseTime = new Histogram({
  name: "gofermart_database_use_seconds",
  help: "For how long a connection of this process was in use: a statement, or a transaction.",
  buckets: SECONDS_BUCKETS,
})
const connections: Gauge<"state"> = new Gauge({
  name: "gofermart_database_connections",
  help: "Connections of this process, by what they do.",
  labelNames: ["state"],
  collect() {
    const idle = sum(pools.map((pool) => pool.idleCount))
    connections.set({ state: "idle" }, idle)
    connections.set({ state: "busy" }, sum(pools.map((pool) => pool.totalCount)) - idle)
  },
})
const waiters: Gauge = new Gauge({
  name: "gofermart_database_connection_waiters",
  help: "Statements that wait for a connection of this process.",
  collect: () => waiters.set(sum(pools.map((pool) => pool.waitingCount))),
})

const pools: Pool[] = []

/** Shows a pool's use in the metrics for as long as the process lives. */
export function measurePool(pool: Pool): void {
  pools.push(pool)
  const begun = new WeakMap<PoolClient, number>()
  pool.on("acquire", (client) => begun.set(client, performance.now()))
  pool.on("release", (_error, client) => {
    databaseTime.observe(secondsSince(begun.get(client) ?? performance.now()))
  })
}

function sum(counts: number[]): number {
  return counts.reduce((total, count) => total + count, 0)
}
