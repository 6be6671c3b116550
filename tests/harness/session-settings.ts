import { randomUUID } from "node:crypto"
import type { TestDatabase } from "./database.ts"

/** Two ways to set a session up, which agree in nothing. */
export const UNLIKE_SESSIONS = [
  {
    timezone: "America/St_Johns",
    datestyle: "Postgres, MDY",
    intervalstyle: "iso_8601",
    extra_float_digits: "-4",
    bytea_output: "hex",
    lc_numeric: "C",
  },
  {
    timezone: "Australia/Lord_Howe",
    datestyle: "SQL, DMY",
    intervalstyle: "postgres_verbose",
    extra_float_digits: "3",
    bytea_output: "escape",
    lc_numeric: "POSIX",
  },
]

/** Makes a role whose sessions have these settings, and gives the database's URL for it. */
export async function urlOfRole(
  { client, url }: TestDatabase,
  settings: Record<string, string>,
): Promise<{ url: string; drop(): Promise<void> }> {
  const role = `role_${randomUUID().replaceAll("-", "")}`
  await client.$executeRawUnsafe(`CREATE ROLE ${role} SUPERUSER LOGIN PASSWORD '${role}'`)
  for (const [name, value] of Object.entries(settings)) {
    await client.$executeRawUnsafe(`ALTER ROLE ${role} SET ${name} = ${quoted(value)}`)
  }
  const own = new URL(url)
  own.username = role
  own.password = role
  return {
    url: own.href,
    async drop() {
      await client.$executeRawUnsafe(`DROP ROLE ${role}`)
    },
  }
}

/** A list setting's words are values of their own. */
function quoted(value: string): string {
  return value
    .split(", ")
    .map((word) => `'${word}'`)
    .join(", ")
}
