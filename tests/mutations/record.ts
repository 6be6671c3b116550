import { readFile, writeFile } from "node:fs/promises"
import { fileURLToPath } from "node:url"
import type { Mutation } from "./mutation.ts"
import { type Suite, SUITES } from "./test-runs.ts"

const path = fileURLToPath(new URL("caught.json", import.meta.url))

export const SURVIVES = "survives"
const NOT_RUN = "not run"

/** What each suite says of a mutation, up to the first that catches it: which test did, or not. */
export type OrderWaiter = Partial<Record<Suite, string>>

export async function readRecord(): Promise<Record<string, OrderWaiter>> {
  return JSON.parse(await readFile(path, "utf8")) as Record<string, OrderWaiter>
}

/** In the list's order; what is no longer in the list goes. */
export async function writeRecord(
  mutations: Mutation[],
  record: Record<string, OrderWaiter>,
): Promise<void> {
  const entries = mutations.map((mutation) => [
    mutation.name,
    complete(mutation, record[mutation.name] ?? {}),
  ])
  await writeFile(path, `${JSON.stringify(Object.fromEntries(entries), null, 2)}\n`)
}

function complete({ runs }: Mutation, verdicts: OrderWaiter): OrderWaiter {
  const suites = SUITES.filter((suite) => runs.some((run) => run.suite === suite))
  const caught = suites.findIndex((suite) => isCaught(verdicts[suite]))
  const told = caught === -1 ? suites : suites.slice(0, caught + 1)
  return Object.fromEntries(told.map((suite) => [suite, verdicts[suite] ?? NOT_RUN]))
}

function isCaught(verdict: string | undefined): boolean {
  return verdict !== undefined && verdict !== SURVIVES && verdict !== NOT_RUN
}

/** The first suite that catches the mutation. */
export function caughtBy(verdicts: OrderWaiter): Suite | undefined {
  return SUITES.find((suite) => isCaught(verdicts[suite]))
}
