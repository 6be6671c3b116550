import { execFile } from "node:child_process"
import { copyFile, mkdir, mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { afterAll, beforeAll, describe, expect, it } from "vitest"

const run = promisify(execFile)
const program = fileURLToPath(new URL("../../preinstall.cjs", import.meta.url))

describe("a folder to install in", () => {
  let parent: string
  beforeAll(async () => {
    parent = await mkdtemp(join(tmpdir(), "gofermart-preinstall-"))
  })
  afterAll(() => rm(parent, { recursive: true }))

  it.each([":", "$", '"', "`", "\\"])(
    "with %s in its path is refused in words",
    async (character) => {
      const cwd = join(parent, `a${character}b`, "checkout")
      await mkdir(cwd, { recursive: true })
      await copyFile(program, join(cwd, "preinstall.cjs"))
      await expect(run(process.execPath, ["preinstall.cjs"], { cwd })).rejects.toMatchObject({
        code: 1,
        stderr: expect.stringContaining(`its path has ${character} in it`),
      })
    },
  )

  it("may have any other characters", async () => {
    const cwd = join(parent, "with spaces, 'quotes', ünïcode & more")
    await mkdir(cwd)
    expect(await run(process.execPath, [program], { cwd })).toEqual({ stdout: "", stderr: "" })
  })
})
