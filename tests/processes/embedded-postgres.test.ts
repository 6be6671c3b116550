import { access, mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { startPostgres } from "@gofermart/local-stack/postgres.ts"
import { Client } from "pg"
import { afterEach, beforeEach, describe, expect, it } from "vitest"

describe("the embedded PostgreSQL", () => {
  let parent: string
  beforeEach(async () => {
    parent = await mkdtemp(join(tmpdir(), "gofermart-embedded-"))
  })
  afterEach(() => rm(parent, { recursive: true }))

  it("works in a folder whose path means something to a shell, and no shell reads it", async () => {
    const ran = join(parent, "ran")
    const folder = join(parent, `a "b" 'c' $HOME $(touch ${ran}) \`touch ${ran}\` : \\ ; é & #`)
    const postgres = await startPostgres(folder)
    try {
      await postgres.createDatabase("points")
      await postgres.stop()
      await postgres.start()
      const client = new Client({ connectionString: postgres.url("points") })
      await client.connect()
      const { rows } = await client.query<{ path: string }>(
        "SELECT current_setting('data_directory') AS path",
      )
      await client.end()
      expect(rows).toEqual([{ path: join(folder, "data") }])
    } finally {
      await postgres.stop("immediate")
    }
    await expect(access(ran)).rejects.toThrow("ENOENT")
  })
})
