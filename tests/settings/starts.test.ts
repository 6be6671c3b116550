import { createServer } from "node:net"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { builtPath } from "@gofermart/bundle/build.ts"
import { PROGRAMS } from "@gofermart/local-stack/programs.ts"
import { USABLE } from "./entries.ts"
import { STACK, start } from "./run.ts"

const PASSWORD = "hunter22/hunter22"
const UNUSABLE = {
  ...USABLE,
  DATABASE_URL: `postgresql://user:${PASSWORD}@db.test/points`,
}
const NUMBER = "79927398713"
const API = builtPath("api")
const WORKER = builtPath("worker")
const SIMULATOR = builtPath("simulator")
const GOFERMART = "packages/local-stack/src/operate.ts"
const RANGE = ["--from", "2026-11-01", "--to", "2026-11-02"]

const folder = mkdtempSync(join(tmpdir(), "gofermart-starts-"))
const file = join(folder, "a-file-of-another")
writeFileSync(file, "not goods\n")

describe("a real start with an unusable setting ends with 78 and one message", () => {
  it.each<[program: string, args: string[], env: Record<string, string>, setting: string]>([
    [API, [], UNUSABLE, "DATABASE_URL"],
    [WORKER, [], UNUSABLE, "DATABASE_URL"],
    [SIMULATOR, [], { SIMULATOR_ERROR_RATE: PASSWORD }, "SIMULATOR_ERROR_RATE"],
    [SIMULATOR, ["--state", file], {}, "SIMULATOR_STATE"],
    [builtPath("migrate"), [], UNUSABLE, "DATABASE_URL"],
    [builtPath("gofermart"), ["verify"], UNUSABLE, "DATABASE_URL"],
    [GOFERMART, ["verify"], UNUSABLE, "DATABASE_URL"],
    [GOFERMART, ["order", NUMBER], UNUSABLE, "DATABASE_URL"],
    [GOFERMART, ["user", "anna"], UNUSABLE, "DATABASE_URL"],
    [
      GOFERMART,
      ["requeue", "--all"],
      { ...USABLE, QUEUE_URL: `redis://:${PASSWORD}@q.test` },
      "QUEUE_URL",
    ],
    [GOFERMART, ["contradictions"], UNUSABLE, "DATABASE_URL"],
    [
      GOFERMART,
      ["recheck", ...RANGE],
      { ...USABLE, SCORING_URL: `http://u:${PASSWORD}@s` },
      "SCORING_URL",
    ],
    ["packages/local-stack/src/start.ts", [], UNUSABLE, "DATABASE_URL"],
    ["packages/local-stack/src/start.ts", [], { GOFERMART_DATA: file }, "GOFERMART_DATA"],
    ["packages/local-stack/src/demo.ts", [], { GOFERMART_DATA: file }, "GOFERMART_DATA"],
    [
      "packages/local-stack/src/start.ts",
      [],
      { GOFERMART_DATA: join(folder, "two\nlines") },
      "its path has a line break",
    ],
  ])("%s %j", async (program, args, env, setting) => {
    const { code, printed, complained } = await start(program, env, args).ended
    expect({ code, complained }).toEqual({ code: 78, complained: expect.stringContaining(setting) })
    expect(complained.trimEnd().split("\n").length).toBeLessThanOrEqual(2)
    for (const said of [printed, complained]) {
      expect(said).not.toMatch(STACK)
      for (const secret of ["hunter22", "a-file-of-another"]) expect(said).not.toContain(secret)
    }
  })

  it("a command without a database, where no system runs, says how to start one", async () => {
    const env = { GOFERMART_DATA: join(folder, "nothing") }
    const { code, complained } = await start(GOFERMART, env, ["verify"]).ended
    expect(code).toBe(78)
    expect(complained).toMatch(/DATABASE_URL[^]*npx -y pnpm@12 start/)
    expect(complained).not.toMatch(STACK)
  })

  it("conformance refuses an address with a password, and does not repeat it", async () => {
    const args = ["conformance", "http://user:hunter22hunter22@scoring.test"]
    const { code, printed, complained } = await start(GOFERMART, {}, args).ended
    expect(code).toBe(2)
    expect(complained).toContain("<url> must be an address such as http://scoring:8080")
    expect(printed + complained).not.toContain("hunter22")
  })
})

describe("a program that is asked for help", () => {
  it.each([
    { program: API, names: Object.keys(PROGRAMS.api) },
    { program: WORKER, names: Object.keys(PROGRAMS.worker) },
    { program: builtPath("migrate"), names: Object.keys(PROGRAMS.migrate) },
    { program: SIMULATOR, names: Object.keys(PROGRAMS.simulator) },
    { program: GOFERMART, names: Object.keys(PROGRAMS.commands) },
    { program: "packages/local-stack/src/start.ts", names: Object.keys(PROGRAMS.start) },
  ])("$program names its settings and ends with 0, whatever they are", async (row) => {
    const { code, printed, complained } = await start(row.program, UNUSABLE, ["--help"]).ended
    expect({ code, complained }).toEqual({ code: 0, complained: "" })
    for (const name of row.names) expect(printed).toMatch(new RegExp(`\\b${name} `))
    expect(printed).not.toContain("hunter22")
  })
})

describe("a service whose address another program has", () => {
  it.each([
    [API, "RUN_ADDRESS", USABLE],
    [SIMULATOR, "SIMULATOR_ADDRESS", {}],
  ])("%s ends with 78, and names %s", async (program, setting, env) => {
    const other = createServer()
    await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve))
    const { port } = other.address() as { port: number }
    const address = `127.0.0.1:${port}`
    const { code, complained } = await start(program, { ...env, [setting]: address }).ended
    await new Promise((resolve) => other.close(resolve))
    expect(code).toBe(78)
    expect(complained).toBe(
      `${setting} must be an address host:port to listen on (another program, or this one, has that port: stop it, or take another; EADDRINUSE)\n`,
    )
  })
})

describe("a service with an unusable setting of traces", () => {
  it("says so once, without the value, and starts", async () => {
    const settings = {
      ...USABLE,
      DATABASE_URL: "postgresql://user:a-password@127.0.0.1:9/points",
      RUN_ADDRESS: "127.0.0.1:0",
      OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:9",
      OTEL_EXPORTER_OTLP_COMPRESSION: "hunter22-brotli",
      OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE: join(folder, "hunter22.pem"),
    }
    const api = start(API, settings)
    await api.prints("waiting for the database")
    api.kill()
    const { printed, complained } = await api.ended
    expect(complained).toBe("")
    const told = printed
      .split("\n")
      .filter((line) => line.includes("a setting of traces is ignored"))
    expect(told).toHaveLength(2)
    expect(told[0]).toContain("OTEL_EXPORTER_OTLP_COMPRESSION must be none or gzip")
    expect(told[1]).toContain("OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE must be the path of a file")
    expect(printed).not.toContain("hunter22")
    rmSync(folder, { recursive: true })
  })
})
