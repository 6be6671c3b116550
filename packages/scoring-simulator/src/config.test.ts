import { ConfigError } from "@gofermart/shared/runtime/env.ts"
import { expect, test } from "vitest"
import { defaultBehaviour } from "./behaviour.ts"
import { helpText, readConfig } from "./config.ts"

test("without settings it is a well-behaved scoring system on 127.0.0.1:8091", () => {
  expect(readConfig([], {})).toEqual({
    address: { host: "127.0.0.1", port: 8091 },
    logLevel: "info",
    behaviour: defaultBehaviour(),
  })
})

test("every setting can be given as a variable and as a flag, which counts for more", () => {
  const env = {
    SIMULATOR_ADDRESS: "127.0.0.1:1",
    SIMULATOR_STATE: "/tmp/env.jsonl",
    LOG_LEVEL: "warn",
    SIMULATOR_DELAY_MS: "1",
    SIMULATOR_PENDING_ANSWERS: "2",
    SIMULATOR_REQUESTS_PER_MINUTE: "3",
    SIMULATOR_WINDOW_MS: "4",
    SIMULATOR_ERROR_RATE: "0.5",
    SIMULATOR_AUTO_REGISTER: "true",
    SIMULATOR_UNAVAILABLE: "true",
  }
  expect(readConfig([], env)).toEqual({
    address: { host: "127.0.0.1", port: 1 },
    statePath: "/tmp/env.jsonl",
    logLevel: "warn",
    behaviour: {
      delayMs: 1,
      pendingAnswers: 2,
      requestsPerMinute: 3,
      windowMs: 4,
      errorRate: 0.5,
      autoRegister: true,
      unavailable: true,
    },
  })
  const flags =
    "--address 127.0.0.1:2 --state /tmp/flag.jsonl --log-level error --delay-ms 10 " +
    "--pending-answers 20 --requests-per-minute 30 --window-ms 40 --error-rate 0.25 " +
    "--no-auto-register --no-unavailable"
  expect(readConfig(flags.split(" "), env)).toEqual({
    address: { host: "127.0.0.1", port: 2 },
    statePath: "/tmp/flag.jsonl",
    logLevel: "error",
    behaviour: {
      delayMs: 10,
      pendingAnswers: 20,
      requestsPerMinute: 30,
      windowMs: 40,
      errorRate: 0.25,
      autoRegister: false,
      unavailable: false,
    },
  })
  expect(readConfig(["--auto-register", "--unavailable"], {})).toMatchObject({
    behaviour: { autoRegister: true, unavailable: true },
  })
})

test("refuses what cannot work with a message that names it", () => {
  const refusal = (...args: string[]) => {
    try {
      return readConfig(args, {})
    } catch (error) {
      expect(error).toBeInstanceOf(ConfigError)
      return (error as Error).message
    }
  }
  expect(refusal("--delay-ms", "soon", "--error-rate", "1.1")).toMatch(
    /SIMULATOR_DELAY_MS must be a whole number.*\n.*SIMULATOR_ERROR_RATE must be a number/,
  )
  expect(refusal("--delay-ms", "1.5")).toContain("SIMULATOR_DELAY_MS must be")
  for (const rate of ["-0.1", "1.01", "2", "half", "0,5", "1e-1"]) {
    expect(refusal(`--error-rate=${rate}`)).toContain("SIMULATOR_ERROR_RATE must be")
  }
  expect(refusal("--address", "nowhere")).toContain(
    "SIMULATOR_ADDRESS must be an address host:port",
  )
  expect(refusal("--dealy-ms", "1")).toContain("--dealy-ms")
  expect(refusal("positional")).toContain("positional")
})

test("a fraction may be written from 0 to 1, and a boolean as true or false only", () => {
  for (const [rate, errorRate] of [
    ["0", 0],
    ["0.0", 0],
    ["0.05", 0.05],
    ["1", 1],
    ["1.0", 1],
  ] as const) {
    const env = { SIMULATOR_ERROR_RATE: rate }
    expect(readConfig([], env)).toMatchObject({ behaviour: { errorRate } })
  }
  for (const text of ["yes", "1", "TRUE", "on"]) {
    expect(() => readConfig([], { SIMULATOR_UNAVAILABLE: text })).toThrow(
      "SIMULATOR_UNAVAILABLE must be true or false",
    )
  }
})

test("--help tells every flag and variable", () => {
  expect(readConfig(["--help"], { SIMULATOR_DELAY_MS: "wrong" })).toBe("help")
  expect(helpText()).toContain("--requests-per-minute, or SIMULATOR_REQUESTS_PER_MINUTE")
  expect(helpText().match(/^ {2}--/gm)).toHaveLength(10)
})
