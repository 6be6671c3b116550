import { execFile } from "node:child_process"
import { join } from "node:path"
import { promisify } from "node:util"
import { describe, expect, it } from "vitest"

const runtime = join(import.meta.dirname, "../../packages/shared/src/runtime")
const from = (file: string) => JSON.stringify(join(runtime, file))

/** Runs a program that then does this, and gives how it ended. */
async function run(program: string): Promise<{ code: number; stdout: string; stderr: string }> {
  const whole = `
    import { ConfigError } from ${from("env.ts")}
    import { createLogger } from ${from("logger.ts")}
    import { Shutdown } from ${from("shutdown.ts")}
    const shutdown = new Shutdown(createLogger("a-service", "info"), 1_000)
    ${program}`
  const ended = promisify(execFile)(process.execPath, ["--input-type=module", "-e", whole])
  return ended.then(
    (output) => ({ code: 0, ...output }),
    (error: unknown) => error as { code: number; stdout: string; stderr: string },
  )
}

describe("an error that nobody catches", () => {
  it("ends the process with 1 and a line in the log, without what hangs on the error", async () => {
    const { code, stdout, stderr } = await run(`new URL("redis://:hunter22/hunter22@h:port")`)
    expect(code).toBe(1)
    expect(stderr).toBe("")
    expect(JSON.parse(stdout)).toMatchObject({
      msg: "a defect ended the process",
      err: { type: "TypeError", code: "ERR_INVALID_URL" },
    })
    expect(stdout).not.toContain("hunter22")
  })

  it.each([
    `throw new ConfigError("PORT must be one")`,
    `await Promise.reject(new ConfigError("PORT must be one"))`,
    `void Promise.reject(new ConfigError("PORT must be one")); await new Promise(() => {})`,
  ])("and is about a setting ends it with 78 and its message: %s", async (program) => {
    expect(await run(program)).toMatchObject({
      code: 78,
      stdout: "",
      stderr: "PORT must be one\n",
    })
  })
})

describe("what a library writes to the console, or has Node warn of", () => {
  it("is a line of the log like any other", async () => {
    const { stdout, stderr } = await run(`
      for (const method of ["debug", "log", "info", "warn", "error"]) console[method]("%s!", method)
      process.emitWarning("of something")
      await new Promise((resolve) => setImmediate(resolve))`)
    expect(stderr).toBe("")
    const lines = stdout
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as object)
    expect(lines).toMatchObject([
      ...["log!", "info!"].map((msg) => ({ level: 30, from: "console", msg })),
      { level: 40, from: "console", msg: "warn!" },
      { level: 50, from: "console", msg: "error!" },
      { level: 40, msg: "Node warns", err: { message: "of something" } },
    ])
  })
})

describe("a process that is stopped while it starts", () => {
  it("ends, and does not say that it serves", async () => {
    const { code, stdout } = await run(`
      const opened = Promise.withResolvers()
      shutdown.onClose("what is slow to close", () => opened.promise)
      // Node delivers no signal to a process that waits for nothing else.
      setTimeout(() => {}, 60_000)
      const stopping = new Promise((resolve) => process.once("SIGTERM", resolve))
      process.kill(process.pid, "SIGTERM")
      await stopping
      shutdown.announce("serving", {})
      opened.resolve()`)
    expect(code).toBe(0)
    const lines = stdout
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as { msg: string })
    expect(lines.map(({ msg }) => msg).toSorted()).toEqual(["stopped", "stopping"])
  })
})
