import { type Child, startChild } from "@gofermart/local-stack/child.ts"
import { freePort } from "@gofermart/local-stack/ports.ts"
import { sql } from "@gofermart/shared/db/client.ts"
import type { OrderNumber } from "@gofermart/shared/domain/order-number.ts"
import { eventually } from "./eventually.ts"
import { readInstant } from "./instants.ts"
import { newNumbers } from "./numbers.ts"
import { type Backend, startSystem, type System } from "./system.ts"

/** A system whose scoring system is a process of its own, for a test to hurt and to start again. */
export async function startOnSimulator(
  backend: Backend,
): Promise<{ system: System; simulator: Child; startSimulator: () => Promise<Child> }> {
  const address = `127.0.0.1:${await freePort()}`
  const settings = { SIMULATOR_ADDRESS: address, SIMULATOR_AUTO_REGISTER: "true" }
  const startSimulator = () => startChild("simulator", settings, "/dev/null")
  const simulator = await startSimulator()
  const system = await startSystem({
    backend,
    workers: 2,
    scoringUrl: `http://${address}`,
    env: { SCORING_TIMEOUT: "2s", WORKER_CONCURRENCY: "20" },
  })
  return { system, simulator, startSimulator }
}

/** Since when the scoring system is down, as the fleet knows it; undefined when it is not. */
export function downSince({ database }: System): Promise<number | undefined> {
  return readInstant(database.client, sql`(SELECT down_since FROM scoring_pace)`)
}

export async function untilDown(system: System): Promise<void> {
  await eventually("the fleet has found the outage", async () => {
    return (await downSince(system)) !== undefined
  })
}

/** Uploads orders of one customer, all at once. */
export async function uploadMany(system: System, count: number): Promise<OrderNumber[]> {
  const customer = await system.register()
  const numbers = newNumbers(count)
  await Promise.all(numbers.map((number) => customer.upload(number)))
  return numbers
}
