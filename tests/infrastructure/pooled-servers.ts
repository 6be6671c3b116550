import { findProgram } from "@gofermart/local-stack/find-program.ts"
import type { EmbeddedPostgres } from "@gofermart/local-stack/postgres.ts"
import { connectionBy } from "@gofermart/shared/db/connection.ts"
import { roleSettings } from "@gofermart/shared/db/role-settings.ts"
import { withClient } from "@gofermart/shared/db/with-client.ts"
import type { TestProject } from "vitest/node"
import { PGBOUNCER } from "../harness/missing-programs.ts"
import { startPgBouncer } from "../harness/pgbouncer.ts"
import { startServers } from "../harness/servers.ts"

/** As for all tests, with a PgBouncer in transaction mode between the services and the server. */
export default function setup(project: TestProject): Promise<() => Promise<void>> {
  return startServers(project, async (server) => {
    const path = await findProgram(PGBOUNCER)
    if (path === undefined) return undefined
    await limitSuperuser(server)
    return startPgBouncer(path, server.url("postgres"), "transaction")
  })
}

/** It is the role of the tests' services. */
function limitSuperuser(server: EmbeddedPostgres): Promise<unknown> {
  return withClient(connectionBy(server.url("postgres")), async (client) => {
    for (const [name, value] of Object.entries(roleSettings("public"))) {
      await client.query(`ALTER ROLE CURRENT_USER SET ${name} = ${value}`)
    }
  })
}
