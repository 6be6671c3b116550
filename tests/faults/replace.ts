import type { Child } from "@gofermart/local-stack/child.ts"
import { expect } from "vitest"
import type { System } from "../harness/system.ts"

/** Stops an API, as a deployment does, and starts another one on the same port. */
export async function replaceApi(
  system: System,
  api: Child,
  settings: Record<string, string> = {},
): Promise<Child> {
  expect(await api.stop()).toBe(0)
  const { host } = new URL(api.details["url"] ?? "")
  return system.addApi({ RUN_ADDRESS: host, ...settings })
}

/** The same for a worker. */
export async function replaceWorker(
  system: System,
  worker: Child,
  settings: Record<string, string> = {},
): Promise<Child> {
  expect(await worker.stop()).toBe(0)
  return system.addWorker(settings)
}
