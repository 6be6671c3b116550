import { execFile } from "node:child_process"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { promisify } from "node:util"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { startSystem, type System } from "../harness/system.ts"
import { commandBlocksOf, currentDocuments, matches } from "../static/documents.ts"

const run = promisify(execFile)
/** For the last command, which a reader ends with Ctrl-C. */
const FOLLOWED_S = 3

const example = currentDocuments
  .flatMap(commandBlocksOf)
  .find(({ runBy }) => runBy === "tests/system/readme.test.ts")

describe("the README's example, pasted into a shell", () => {
  let system: System
  let folder: string
  beforeAll(async () => {
    system = await startSystem({ backend: "postgresql" })
    folder = await mkdtemp(join(tmpdir(), "gofermart-readme-"))
  })
  afterAll(async () => {
    await system.close()
    await rm(folder, { recursive: true })
  })

  it("prints what its comments say", async () => {
    const text = example?.text ?? ""
    const script = text
      .replace("http://127.0.0.1:8080", system.apiUrl)
      .replace("http://127.0.0.1:8091", system.simulator.url)
      .replace("curl -N", `curl -N --max-time ${FOLLOWED_S}`)
      .replaceAll("curl ", "curl --silent --show-error --fail-with-body ")
    const shell = ["-c", `${script}\ntest $? = 28`]
    const { stdout } = await run("sh", shell, { cwd: folder, timeout: 60_000 })

    const said = matches(text, /# ((?:\{|"|\d,).*)$/gm)
    expect(said.length).toBeGreaterThan(4)
    for (const line of said) {
      const parts = line.split("…").map((part) => RegExp.escape(part))
      expect(stdout).toMatch(new RegExp(parts.join(".+")))
    }
    expect(stdout).toMatch(/^id: 1\nevent: order$/m)
    expect(stdout).toMatch(/^id: 2\nevent: withdrawal$/m)
  })
})
