import { execFile } from "node:child_process"
import { existsSync } from "node:fs"
import { join } from "node:path"
import { promisify } from "node:util"
import { expect, it } from "vitest"

const run = promisify(execFile)
const repository = join(import.meta.dirname, "../..")
const OUTPUT_BYTES_MAX = 8 * 1024 * 1024
const OPTIONS = { cwd: repository, maxBuffer: OUTPUT_BYTES_MAX }

/** The files on whose content it depends whether the units' last result is taken from the cache. */
async function cacheInputs(): Promise<string[]> {
  const turbo = join(repository, "node_modules/.bin/turbo")
  const { stdout } = await run(turbo, ["run", "unit", "--dry=json"], OPTIONS)
  const { tasks } = JSON.parse(stdout) as { tasks: { inputs: Record<string, string> }[] }
  expect(tasks).toHaveLength(1)
  return Object.keys(tasks[0]?.inputs ?? {})
}

it("a change to any file of the repository, or to the generated client, runs the units again", async () => {
  const inputs = new Set(await cacheInputs())
  const { stdout } = await run("git", ["ls-files", "-z"], OPTIONS)
  const files = stdout
    .split("\0")
    .filter((file) => file !== "" && existsSync(join(repository, file)))
  expect(files).toContain("prisma/schema.prisma")
  expect(files.filter((file) => !inputs.has(file))).toEqual([])
  expect(inputs).toContain("packages/shared/src/db/generated/client.ts")
})
