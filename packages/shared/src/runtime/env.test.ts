import { Type } from "typebox"
import { describe, expect, it } from "vitest"
import { readConfigOrExit } from "./config-exit.ts"
import {
  ConfigError,
  duration,
  isGiven,
  parseAddress,
  readEnv,
  type Rule,
  toMs,
  wholeNumber,
} from "./env.ts"
import { logLevel } from "./service-settings.ts"
import { databaseUrl } from "../db/database-url.ts"
import { queueUrl } from "../queue/queue-url.ts"

const Schema = Type.Object({
  DATABASE_URL: databaseUrl,
  QUEUE_URL: Type.Optional(queueUrl),
  WORKERS: wholeNumber(1, 100, 5),
  TIMEOUT: duration("10s"),
  LOG_LEVEL: logLevel,
})
const DATABASE_URL = "postgresql://app:hunter2@db:5432/gofermart"

/** The message of the refusal of these variables. */
function refusal(env: NodeJS.ProcessEnv): string {
  try {
    readEnv(Schema, env)
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError)
    return (error as Error).message
  }
  throw new Error("the configuration was accepted")
}

/** The names of the variables that are refused. */
const refused = (env: NodeJS.ProcessEnv) =>
  [...refusal(env).matchAll(/^ {2}(\w+) must be/gm)].map(([, name]) => name)

describe("settings from the environment", () => {
  it("are at their defaults where no variable is given", () => {
    expect(readEnv(Schema, { DATABASE_URL })).toEqual({
      DATABASE_URL,
      WORKERS: 5,
      TIMEOUT: "10s",
      LOG_LEVEL: "info",
    })
  })

  it("are read from variables, and other variables are left alone", () => {
    const env = {
      DATABASE_URL,
      QUEUE_URL: "redis://queue:6379/0",
      WORKERS: "7",
      TIMEOUT: "250ms",
      LOG_LEVEL: "silent",
    }
    expect(readEnv(Schema, { ...env, PATH: "/bin" })).toEqual({ ...env, WORKERS: 7 })
  })

  it("count as absent where their variable is empty", () => {
    const empty = { QUEUE_URL: "", WORKERS: "", TIMEOUT: "", LOG_LEVEL: "" }
    expect(readEnv(Schema, { DATABASE_URL, ...empty })).toEqual(readEnv(Schema, { DATABASE_URL }))
    expect(refusal({ DATABASE_URL: "" })).toMatch(/DATABASE_URL must be .* \(it is missing\)/)
  })

  it("are refused with every bad variable at once, and no good one", () => {
    const env = { QUEUE_URL: "amqp://queue", WORKERS: "many", TIMEOUT: "10s", LOG_LEVEL: "loud" }
    expect(refused(env)).toEqual(["DATABASE_URL", "QUEUE_URL", "WORKERS", "LOG_LEVEL"])
    expect(refused({ DATABASE_URL, TIMEOUT: "soon" })).toEqual(["TIMEOUT"])
  })

  it("are refused in words that say what they must be", () => {
    expect(refusal({ DATABASE_URL, WORKERS: "0" })).toContain(
      "WORKERS must be a whole number from 1 to 100 (it is less)",
    )
    expect(refusal({ WORKERS: "1" })).toContain(
      "DATABASE_URL must be a connection string postgresql://user:password@host:port/database " +
        "(it is missing)",
    )
  })

  it("are refused without their values, since one may be a secret", () => {
    const message = refusal({
      DATABASE_URL: "mysql://app:hunter2@db/gofermart",
      QUEUE_URL: "http://queue:hunter3@queue",
      WORKERS: "hunter4",
      TIMEOUT: "hunter5",
      LOG_LEVEL: "hunter6",
    })
    expect(message).not.toMatch(/hunter|mysql|http:/)
  })

  it("say what they must be even where the schema does not", () => {
    const Bare = Type.Object({ WORD: Type.String({ minLength: 3 }) })
    expect(() => readEnv(Bare, { WORD: "ab" })).toThrow("WORD must be a valid value")
  })
})

describe("a whole number", () => {
  it.each([
    ["1", 1],
    ["100", 100],
    ["007", 7],
  ])("is read from %j", (text, value) => {
    expect(readEnv(Schema, { DATABASE_URL, WORKERS: text }).WORKERS).toBe(value)
  })

  it.each([
    "1.5",
    "1.0",
    "1e1",
    "0x10",
    "+5",
    "-0",
    "5 5",
    "\u0665",
    "5s",
    "1,000",
    "true",
    "NaN",
    "Infinity",
  ])("is not %j", (text) => expect(refused({ DATABASE_URL, WORKERS: text })).toEqual(["WORKERS"]))

  it.each(["0", "-1", "101", "99999999999999999999999999"])("out of its bounds is %s", (text) => {
    expect(refused({ DATABASE_URL, WORKERS: text })).toEqual(["WORKERS"])
  })

  it("leaves text of digits alone where text is asked for", () => {
    const Text = Type.Object({ LOGIN: Type.String() })
    expect(readEnv(Text, { LOGIN: "007" })).toEqual({ LOGIN: "007" })
  })
})

describe("a duration", () => {
  it.each([
    ["1ms", 1],
    ["500ms", 500],
    ["30s", 30_000],
    ["10m", 600_000],
    ["24h", 86_400_000],
    ["7d", 604_800_000],
  ])("of %s is %d milliseconds", (text, ms) => {
    expect(toMs(readEnv(Schema, { DATABASE_URL, TIMEOUT: text }).TIMEOUT)).toBe(ms)
  })

  it.each(["10", "s", "-1s", "1.5s", "10 s", "1S", "1w", "1h30m", "1e3s", "9999999999s"])(
    "is not %j",
    (text) => expect(refused({ DATABASE_URL, TIMEOUT: text })).toEqual(["TIMEOUT"]),
  )
})

describe("connection strings", () => {
  it.each(["postgresql://u:p@h:5432/d", "postgres://h/d"])("%s is a database", (url) => {
    expect(readEnv(Schema, { DATABASE_URL: url }).DATABASE_URL).toBe(url)
  })

  it.each(["mysql://h/d", "redis://h", "localhost:5432", "postgresql:/h/d", "xpostgres://h/d"])(
    "%s is no database",
    (url) => expect(refused({ DATABASE_URL: url })).toEqual(["DATABASE_URL"]),
  )

  it.each(["redis://h:6379", "rediss://h", "postgres://h/d", "postgresql://h/d"])(
    "%s is a queue",
    (url) => expect(readEnv(Schema, { DATABASE_URL, QUEUE_URL: url }).QUEUE_URL).toBe(url),
  )

  it.each(["amqp://h", "h:6379", "http://redis://h"])("%s is no queue", (url) => {
    expect(refused({ DATABASE_URL, QUEUE_URL: url })).toEqual(["QUEUE_URL"])
  })
})

describe("white space around a setting", () => {
  it.each([" 7", "7\n", "\t7\r\n"])("is no part of it: %j", (text) => {
    expect(readEnv(Schema, { DATABASE_URL: ` ${DATABASE_URL}\n`, WORKERS: text })).toMatchObject({
      DATABASE_URL,
      WORKERS: 7,
    })
  })

  it("alone is no setting", () => {
    expect(readEnv(Schema, { DATABASE_URL, WORKERS: " \n" }).WORKERS).toBe(5)
    expect(isGiven({ DATABASE_URL: " ", DATABASE_URI: "\n" }, "DATABASE_URL")).toBe(false)
  })
})

describe("the names of the published contract", () => {
  const Both = Type.Object({ DATABASE_URL: databaseUrl, SCORING_URL: Type.String() })
  const ACCRUAL_SYSTEM_ADDRESS = "scoring:8080"

  it("stand for ours", () => {
    const env = { DATABASE_URL: " ", DATABASE_URI: DATABASE_URL, ACCRUAL_SYSTEM_ADDRESS }
    expect(readEnv(Both, env)).toEqual({ DATABASE_URL, SCORING_URL: ACCRUAL_SYSTEM_ADDRESS })
    expect(isGiven(env, "DATABASE_URL")).toBe(true)
  })

  it("count for less than ours", () => {
    const ours = { DATABASE_URL, SCORING_URL: "http://ours" }
    const theirs = { DATABASE_URI: "postgresql://other/d", ACCRUAL_SYSTEM_ADDRESS }
    expect(readEnv(Both, { ...theirs, ...ours })).toEqual(ours)
  })

  it("are the ones that are told when they are not usable", () => {
    expect(refusal({ DATABASE_URI: "mysql://h/d" })).toMatch(/^ {2}DATABASE_URI must be/m)
  })
})

describe("what must hold between settings", () => {
  const rule: Rule<{ WORKERS: number; TIMEOUT: string }> = {
    of: ["WORKERS", "TIMEOUT"],
    isKept: (read) => toMs(read.TIMEOUT) >= read.WORKERS,
    says: "TIMEOUT must give each of WORKERS a millisecond",
  }
  const refusalByRule = (env: NodeJS.ProcessEnv) => {
    try {
      readEnv(Schema, env, [rule])
    } catch (error) {
      return (error as Error).message
    }
    return undefined
  }

  it("is told with every other fault, in one message", () => {
    expect(refusalByRule({ LOG_LEVEL: "loud", WORKERS: "2", TIMEOUT: "1ms" })).toMatch(
      /^ {2}DATABASE_URL must .*\n {2}LOG_LEVEL must .*\n {2}TIMEOUT must give each/m,
    )
    expect(refusalByRule({ DATABASE_URL, WORKERS: "1", TIMEOUT: "1ms" })).toBeUndefined()
  })

  it("is not asked of settings that are not usable by themselves", () => {
    expect(refusalByRule({ DATABASE_URL, WORKERS: "no", TIMEOUT: "1ms" })).not.toContain("each of")
  })
})

describe("an address", () => {
  it.each([
    ["127.0.0.1:8080", "127.0.0.1", 8080],
    ["localhost:80", "localhost", 80],
    ["api.example.org:65535", "api.example.org", 65_535],
    ["0.0.0.0:0", "0.0.0.0", 0],
    ["[::1]:80", "::1", 80],
    ["[2001:db8::7]:443", "2001:db8::7", 443],
    ["[::ffff:127.0.0.1]:80", "::ffff:127.0.0.1", 80],
    ["http://localhost:8080", "localhost", 8080],
    ["https://localhost:8080/", "localhost", 8080],
  ])("is %s", (text, host, port) => {
    expect(parseAddress(text)).toEqual({ host, port })
  })

  it("without a host is every interface, of both protocol versions", () => {
    expect(parseAddress(":8080")).toEqual({ host: "::", port: 8080 })
  })

  it.each(["", "8080", "localhost", "localhost:", "localhost:http", "localhost:-1", ":65536"])(
    "is not %j",
    (text) => expect(parseAddress(text)).toBeUndefined(),
  )

  it.each(["::1:80", "[::1]", "[::1:80", "a:b:80", "a b:80", " a:80", "a:80 ", "a:80/path"])(
    "is not %j",
    (text) => expect(parseAddress(text)).toBeUndefined(),
  )

  it.each(["ftp://a:80", "http://a", "a:999999", "a:8_0"])("is not %j", (text) => {
    expect(parseAddress(text)).toBeUndefined()
  })
})

it("a bad configuration is told from a defect, which is thrown on", () => {
  const defect = () => {
    throw new TypeError("a defect")
  }
  expect(() => readConfigOrExit(defect)).toThrow(TypeError)
  expect(readConfigOrExit(() => "good")).toBe("good")
})
