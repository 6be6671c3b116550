import { execFile, spawn } from "node:child_process"
import { once } from "node:events"
import { join } from "node:path"
import { promisify } from "node:util"
import { expect, it } from "vitest"

const RUNTIME = join(import.meta.dirname, "../../packages/shared/src/runtime")
const IMPORTS = `
  import { ConfigError } from ${JSON.stringify(join(RUNTIME, "env.ts"))}
  import { exitUnusable, readConfigOrExit } from ${JSON.stringify(join(RUNTIME, "config-exit.ts"))}`

it("a bad configuration ends a process later, where something restarts it, and a signal at once", async () => {
  const program = `${IMPORTS}
    process.on("SIGTERM", () => console.log("not heard"))
    exitUnusable(new ConfigError("PORT must be a number"))`
  const child = spawn(process.execPath, ["--input-type=module", "-e", program], {
    env: { CONFIG_EXIT_DELAY: "24h" },
  })
  const ended = once(child, "exit")
  await once(child.stderr, "data")
  child.kill("SIGTERM")
  expect(await ended).toEqual([null, "SIGTERM"])
})

it("a bad configuration ends a process with code 78 and the reason on standard error", async () => {
  const program = `${IMPORTS}
    readConfigOrExit(() => { throw new ConfigError("PORT must be a number") })
    console.log("went on")`
  const run = promisify(execFile)(process.execPath, ["--input-type=module", "-e", program])
  await expect(run).rejects.toMatchObject({
    code: 78,
    stdout: "",
    stderr: "PORT must be a number\n",
  })
})
