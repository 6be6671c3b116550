import { readdir, readFile } from "node:fs/promises"
import { join } from "node:path"
import type { ClientBase } from "pg"

/** A file of `prisma/functions`: `name` without `.sql`, which is the function's. */
interface FunctionFile {
  name: string
  text: string
}

/** A function as PostgreSQL has it. */
interface DatabaseFunction {
  name: string
  /** The name and the arguments, as `DROP FUNCTION` takes them. */
  signature: string
  result: string
  /** All that `CREATE FUNCTION` says after the name, with every default: arguments to source. */
  definition: string
}

/** Where the files and the migrations disagree about a function. */
export type FunctionDifference =
  | { kind: "changed"; file: FunctionFile }
  /** No migration leaves a function with this signature and result. */
  | { kind: "added"; file: FunctionFile; created: DatabaseFunction }
  /** No file creates what the migrations leave. */
  | { kind: "removed"; left: DatabaseFunction }

/** A file that cannot be used as it is. The message is for whoever wrote it. */
export class FunctionFileError extends Error {}

const EMPTY_SCHEMA = "prisma_functions"

/**
 * Compares the functions of a migrated database with those that the files in `folder` create, the ones with a
 * file first. PostgreSQL reads both, so that nothing depends on how they are written. `client`: on a
 * connection whose schema is migrated; it is left as it was.
 *
 * Throws a `FunctionFileError` when PostgreSQL refuses a file, or a file does not create one function, with
 * the name of the file.
 */
export async function compareFunctions(
  client: ClientBase,
  folder: string,
): Promise<FunctionDifference[]> {
  const files = await readFunctionFiles(folder)
  const migrated = await functionsOf(client)
  const current = pairWithFiles(files, await loadFunctions(client, files))
  const ofFiles = current.flatMap(({ file, created }): FunctionDifference[] => {
    const before = migrated.find((left) => isSameCall(left, created))
    if (before === undefined) return [{ kind: "added", file, created }]
    return before.definition === created.definition ? [] : [{ kind: "changed", file }]
  })
  const removed = migrated
    .filter((left) => !current.some(({ created }) => isSameCall(left, created)))
    .map((left) => ({ kind: "removed" as const, left }))
  return [...ofFiles, ...removed]
}

/** Each file with the one function that it creates. */
function pairWithFiles(files: FunctionFile[], loaded: DatabaseFunction[]) {
  const stray = loaded.find(({ name }) => !files.some((file) => file.name === name))
  if (stray !== undefined) {
    throw new FunctionFileError(
      `No file in prisma/functions has the name of ${stray.signature}, which one of them creates: ` +
        `put it into prisma/functions/${stray.name}.sql.`,
    )
  }
  return files.map((file) => {
    const [created, ...others] = loaded.filter(({ name }) => name === file.name)
    if (created === undefined || others.length > 0) {
      throw new FunctionFileError(
        `prisma/functions/${file.name}.sql must create one function, ${file.name}.`,
      )
    }
    return { file, created }
  })
}

/** Whether a call of one means the other, and gets the same kind of result. */
function isSameCall(a: DatabaseFunction, b: DatabaseFunction): boolean {
  return a.signature === b.signature && a.result === b.result
}

async function readFunctionFiles(folder: string): Promise<FunctionFile[]> {
  const names = (await readdir(folder)).filter((name) => name.endsWith(".sql"))
  return Promise.all(
    names.toSorted().map(async (name) => ({
      name: name.slice(0, -".sql".length),
      text: await readFile(join(folder, name), "utf8"),
    })),
  )
}

/** What the files create in an empty schema, beside the migrated tables and types. */
async function loadFunctions(
  client: ClientBase,
  files: FunctionFile[],
): Promise<DatabaseFunction[]> {
  await client.query("BEGIN")
  try {
    // A body in plain SQL may call a function whose file comes later.
    await client.query(`
      SELECT set_config('search_path', '${EMPTY_SCHEMA}, ' || quote_ident(current_schema()), true);
      SET LOCAL check_function_bodies = off;
      CREATE SCHEMA ${EMPTY_SCHEMA}`)
    for (const { name, text } of files) {
      await client.query(text).catch((error: unknown) => {
        throw new FunctionFileError(`prisma/functions/${name}.sql: ${String(error)}`, {
          cause: error,
        })
      })
    }
    return await functionsOf(client)
  } finally {
    await client.query("ROLLBACK")
  }
}

/** The functions of the connection's schema. What is left out of a definition is the schema's name. */
async function functionsOf(client: ClientBase): Promise<DatabaseFunction[]> {
  const { rows } = await client.query<DatabaseFunction>(`
    SELECT proname AS name,
           format('%I(%s)', proname, pg_get_function_identity_arguments(oid)) AS signature,
           pg_get_function_result(oid) AS result,
           substring(pg_get_functiondef(oid) FROM '[(].*') AS definition
      FROM pg_proc
     WHERE pronamespace = current_schema()::regnamespace
     ORDER BY oid`)
  return rows
}
