import { describe, expect, it } from "vitest"
import { ConfigError } from "@gofermart/shared/runtime/env.ts"
import { HELP, readOptions } from "./options.ts"

const DEFAULTS = {
  address: "127.0.0.1:8080",
  databaseUrl: undefined,
  queueUrl: undefined,
  scoringUrl: undefined,
  workers: 1,
}

const read = (line: string, env: NodeJS.ProcessEnv = {}) =>
  readOptions(line.split(" ").filter(Boolean), env)

describe("starting without options", () => {
  it("embeds everything and serves on 127.0.0.1:8080", () => {
    expect(read("")).toEqual(DEFAULTS)
  })

  it("counts an empty variable as absent", () => {
    const env = {
      RUN_ADDRESS: "",
      DATABASE_URL: "",
      DATABASE_URI: "",
      QUEUE_URL: "",
      SCORING_URL: "",
      ACCRUAL_SYSTEM_ADDRESS: "",
      WORKERS: "",
    }
    expect(read("", env)).toEqual(DEFAULTS)
  })

  it("looks behind an empty variable of ours for the published contract's", () => {
    const env = {
      DATABASE_URL: "",
      DATABASE_URI: "postgres://theirs/d",
      SCORING_URL: "",
      ACCRUAL_SYSTEM_ADDRESS: "theirs:8080",
    }
    expect(read("", env)).toMatchObject({
      databaseUrl: "postgres://theirs/d",
      scoringUrl: "theirs:8080",
    })
  })
})

describe("an option", () => {
  const expected = {
    address: ":9090",
    databaseUrl: "postgres://db/d",
    queueUrl: "redis://queue",
    scoringUrl: "http://scoring",
    workers: 3,
  }

  it("can be a long flag", () => {
    const line =
      "--address :9090 --database postgres://db/d --queue redis://queue " +
      "--scoring http://scoring --workers 3"
    expect(read(line)).toEqual(expected)
    expect(read(line.replaceAll(/(--\w+) /g, "$1="))).toEqual(expected)
  })

  it("can be a short flag, those of the published contract among them", () => {
    const line = "-a :9090 -d postgres://db/d -q redis://queue -r http://scoring -w 3"
    expect(read(line)).toEqual(expected)
  })

  it("can be a variable", () => {
    const env = {
      RUN_ADDRESS: ":9090",
      DATABASE_URL: "postgres://db/d",
      QUEUE_URL: "redis://queue",
      SCORING_URL: "http://scoring",
      WORKERS: "3",
    }
    expect(read("", env)).toEqual(expected)
  })

  it("can be a variable of the published contract, which counts for less than ours", () => {
    const theirs = {
      RUN_ADDRESS: ":9090",
      DATABASE_URI: "postgres://theirs/d",
      ACCRUAL_SYSTEM_ADDRESS: "theirs:8080",
    }
    expect(read("", theirs)).toEqual({
      ...DEFAULTS,
      address: ":9090",
      databaseUrl: "postgres://theirs/d",
      scoringUrl: "theirs:8080",
    })
    const both = { ...theirs, DATABASE_URL: "postgres://ours/d", SCORING_URL: "ours:8080" }
    expect(read("", both)).toMatchObject({
      databaseUrl: "postgres://ours/d",
      scoringUrl: "ours:8080",
    })
  })

  it("counts for more as a flag than as a variable", () => {
    const env = {
      RUN_ADDRESS: ":1",
      DATABASE_URL: "postgres://env/d",
      DATABASE_URI: "postgres://env/d",
      QUEUE_URL: "redis://env",
      SCORING_URL: "http://env",
      ACCRUAL_SYSTEM_ADDRESS: "http://env",
      WORKERS: "9",
    }
    const line = "-a :9090 -d postgres://db/d -q redis://queue -r http://scoring -w 3"
    expect(read(line, env)).toEqual(expected)
  })
})

describe("the number of workers", () => {
  it.each([1, 2, 64])("can be %d", (workers) => {
    expect(read(`-w ${workers}`)).toMatchObject({ workers })
    expect(read("", { WORKERS: String(workers) })).toMatchObject({ workers })
  })

  it.each(["0", "65", "1.5", "many", "NaN", "Infinity", "1e9"])("cannot be %s", (workers) => {
    expect(() => read(`-w ${workers}`)).toThrow("WORKERS must be a whole number from 1 to 64")
    expect(() => read("", { WORKERS: workers })).toThrow(ConfigError)
  })

  it("cannot be negative", () => {
    expect(() => readOptions(["--workers=-1"], {})).toThrow(ConfigError)
  })

  it("counts as not given when empty, as every option does", () => {
    const options = readOptions(["--workers=", "--database=", "--address="], {})
    expect(options).toMatchObject({ workers: 1, databaseUrl: undefined, address: "127.0.0.1:8080" })
  })
})

describe("a command line that is not usable", () => {
  it.each(["--port 80", "-x", "start", "-a", "--database", "-d -r x"])("is refused: %s", (line) => {
    expect(() => read(line)).toThrow(ConfigError)
  })
})

describe("help", () => {
  it("is given for -h and --help, whatever else is asked for", () => {
    expect(read("-h")).toBeUndefined()
    expect(read("--help")).toBeUndefined()
    expect(read("-w 0 -h", { WORKERS: "many" })).toBeUndefined()
  })

  it("names every flag and every variable", () => {
    for (const name of ["-a", "-d", "-q", "-r", "-w", "-h"]) expect(HELP).toContain(`  ${name}, --`)
    for (const name of [
      "RUN_ADDRESS",
      "DATABASE_URL",
      "DATABASE_URI",
      "QUEUE_URL",
      "SCORING_URL",
      "ACCRUAL_SYSTEM_ADDRESS",
      "WORKERS",
    ]) {
      expect(HELP).toContain(name)
    }
  })
})

describe("an argument without its flag", () => {
  it("is refused and not repeated: it may be a connection string", () => {
    const refused = () => readOptions(["postgresql://anna:hunter22@db/gofermart"], {})
    expect(refused).toThrow(ConfigError)
    expect(refused).not.toThrow(/hunter22|gofermart/)
  })
})
