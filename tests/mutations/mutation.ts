import { readdir, readFile } from "node:fs/promises"
import { join } from "node:path"
import type { TestRun } from "./test-runs.ts"

/** One deliberate defect: a text that occurs exactly once in its source, and what replaces it. */
export interface Mutation {
  /** What is broken, in plain words, after the name of what it is in. */
  name: string
  source: Source
  replace: string
  by: string
  /** What is to catch it, in turn. */
  runs: TestRun[]
}

/** A file of the repository, or the body of an SQL function that runs now. */
type Source = { file: string } | { sqlFunction: string }

/** `defects`: what is broken, the text to replace, and its replacement. */
export function mutationsOf(
  source: Source,
  runs: TestRun[],
  defects: [string, string, string][],
): Mutation[] {
  const label = "file" in source ? source.file.split("/").at(-1) : source.sqlFunction
  return defects.map(([broken, replace, by]) => {
    return { name: `${label}: ${broken}`, source, runs, replace, by }
  })
}

/** The path and the content of the file that the mutation changes, and what it changes it to. */
export async function mutate(checkout: string, { name, source, replace, by }: Mutation) {
  const path = "file" in source ? source.file : await newestMigration(checkout, source.sqlFunction)
  const original = await readFile(join(checkout, path), "utf8")
  const part = "file" in source ? original : definitionOf(original, source.sqlFunction)
  const occurrences = part.split(replace).length - 1
  if (occurrences !== 1) {
    throw new Error(`${name}: the text to replace occurs ${occurrences} times in ${path}`)
  }
  // As functions, so that a $ in either is a $.
  const mutated = original.replace(part, () => part.replace(replace, () => by))
  return { path, original, mutated }
}

/** The last migration that defines a function is what runs. */
export async function newestMigration(checkout: string, sqlFunction: string): Promise<string> {
  const folder = "prisma/migrations"
  const entries = await readdir(join(checkout, folder), { withFileTypes: true })
  const names = entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name)
  for (const name of names.toSorted().toReversed()) {
    const path = `${folder}/${name}/migration.sql`
    if (definitionOf(await readFile(join(checkout, path), "utf8"), sqlFunction) !== "") return path
  }
  throw new Error(`no migration defines the function ${sqlFunction}`)
}

/** The text that defines a function in a script; empty when it defines none of this name. */
export function definitionOf(script: string, sqlFunction: string): string {
  const definition = new RegExp(
    String.raw`CREATE (?:OR REPLACE )?FUNCTION ${sqlFunction}\([^]*?\n\$\$;`,
  )
  return definition.exec(script)?.[0] ?? ""
}
