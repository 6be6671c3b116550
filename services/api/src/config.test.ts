import { ConfigError } from "@gofermart/shared/runtime/env.ts"
import { describe, expect, it } from "vitest"
import { readConfig } from "./config.ts"

const DATABASE_URL = "postgresql://app:hunter2@db:5432/gofermart"
const KEY = Buffer.alloc(32, 1).toString("base64url")
const OLD_KEY = Buffer.alloc(48, 2).toString("base64url")
const REQUIRED = { DATABASE_URL, AUTH_KEYS: `k1:${KEY}` }
const PASSWORD = "correct horse battery"

/** The message of the refusal of these variables. */
function refusal(env: NodeJS.ProcessEnv): string {
  try {
    readConfig(env)
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError)
    return (error as Error).message
  }
  throw new Error("the configuration was accepted")
}

describe("the API's settings", () => {
  it("are complete with a database and a signing key", () => {
    expect(readConfig(REQUIRED)).toEqual({
      address: { host: "127.0.0.1", port: 8080 },
      databaseUrl: DATABASE_URL,
      databaseConnectionsMax: 10,
      queueUrl: DATABASE_URL,
      authKeys: { current: "k1", byId: new Map([["k1", Buffer.alloc(32, 1)]]) },
      tokenLifetimeMs: 86_400_000,
      passwordLengthMin: 8,
      withdrawOwnedOnly: false,
      operators: {
        address: { host: "127.0.0.1", port: 8090 },
        login: "operator",
        password: undefined,
        trustedProxies: [],
      },
      boardIsReadOnly: false,
      fleetWatchIntervalMs: 10_000,
      throttling: {
        windowMs: 600_000,
        loginFailuresMax: 10,
        loginFailuresPerAddressMax: 100,
        registrationsPerAddressMax: 600,
      },
      loginsAtOncePerAddressMax: 64,
      unfinishedOrdersMax: 10_000,
      streamsPerNetworkMax: 500,
      waitsPerNetworkMax: 500,
      leaseMs: 30_000,
      shutdownGraceMs: 20_000,
      logLevel: "info",
      tracing: expect.objectContaining({ sdk: undefined, ignored: [] }),
    })
  })

  it("can each be given as a variable", () => {
    const env = {
      ...REQUIRED,
      RUN_ADDRESS: ":9090",
      DATABASE_CONNECTIONS_MAX: "2",
      QUEUE_URL: "redis://queue:6379",
      TOKEN_LIFETIME: "15m",
      PASSWORD_LENGTH_MIN: "1",
      WITHDRAWAL_ORDERS: "owned",
      THROTTLE_WINDOW: "1m",
      LOGIN_FAILURES_MAX: "3",
      LOGIN_FAILURES_PER_ADDRESS_MAX: "30",
      LOGINS_AT_ONCE_PER_ADDRESS_MAX: "3",
      REGISTRATIONS_PER_ADDRESS_MAX: "300",
      UNFINISHED_ORDERS_MAX: "5",
      STREAMS_PER_NETWORK_MAX: "50",
      WAITS_PER_NETWORK_MAX: "60",
      TRUSTED_PROXIES: "10.0.0.1, 192.168.0.0/16",
      OPERATORS_ADDRESS: "[::]:9091",
      OPERATORS_LOGIN: "ops",
      OPERATORS_PASSWORD: PASSWORD,
      BOARD_READ_ONLY: "true",
      FLEET_WATCH_INTERVAL: "1s",
      REQUEUE_LEASE_MIN: "2s",
      SHUTDOWN_GRACE: "5s",
      LOG_LEVEL: "debug",
    }
    expect(readConfig(env)).toMatchObject({
      address: { host: "::", port: 9090 },
      databaseConnectionsMax: 2,
      queueUrl: "redis://queue:6379",
      tokenLifetimeMs: 900_000,
      passwordLengthMin: 1,
      withdrawOwnedOnly: true,
      operators: {
        address: { host: "::", port: 9091 },
        login: "ops",
        password: PASSWORD,
        trustedProxies: ["10.0.0.1", "192.168.0.0/16"],
      },
      boardIsReadOnly: true,
      fleetWatchIntervalMs: 1_000,
      throttling: {
        windowMs: 60_000,
        loginFailuresMax: 3,
        loginFailuresPerAddressMax: 30,
        registrationsPerAddressMax: 300,
      },
      loginsAtOncePerAddressMax: 3,
      unfinishedOrdersMax: 5,
      streamsPerNetworkMax: 50,
      waitsPerNetworkMax: 60,
      leaseMs: 2_000,
      shutdownGraceMs: 5_000,
      logLevel: "debug",
    })
  })

  it("are refused with a fleet that is looked at too seldom for its autoscaler", () => {
    expect(refusal({ ...REQUIRED, FLEET_WATCH_INTERVAL: "31s" })).toContain(
      "FLEET_WATCH_INTERVAL must be a length of time such as 500ms, 30s, 10m or 24h, of at most 30s",
    )
  })

  it("go by the name of the published contract too, which counts for less", () => {
    const contract = { DATABASE_URI: DATABASE_URL, AUTH_KEYS: REQUIRED.AUTH_KEYS }
    expect(readConfig(contract)).toEqual(readConfig(REQUIRED))
    const both = { ...contract, DATABASE_URL: "postgres://ours/d" }
    expect(readConfig(both).databaseUrl).toBe("postgres://ours/d")
  })

  it("are refused with every bad variable at once, and without their values", () => {
    const message = refusal({
      DATABASE_URL: "mysql://app:hunter2@db/gofermart",
      AUTH_KEYS: "k1:hunter3",
      TOKEN_LIFETIME: "hunter4",
      PASSWORD_LENGTH_MIN: "65",
      WITHDRAWAL_ORDERS: "hunter5",
      OPERATORS_PASSWORD: "hunter6",
    })
    for (const name of [
      "DATABASE_URL",
      "AUTH_KEYS",
      "TOKEN_LIFETIME",
      "PASSWORD_LENGTH_MIN",
      "WITHDRAWAL_ORDERS",
      "OPERATORS_PASSWORD",
    ]) {
      expect(message).toContain(`${name} must be`)
    }
    expect(message).not.toContain("LOG_LEVEL")
    expect(message).not.toContain("hunter")
  })

  it.each(["nowhere", "8080", "localhost:99999", "http://localhost:8080/api"])(
    "are refused with an address such as %s, by its variable's name",
    (address) => {
      expect(refusal({ ...REQUIRED, RUN_ADDRESS: address })).toMatch(/^ *RUN_ADDRESS must be/m)
      expect(refusal({ ...REQUIRED, OPERATORS_ADDRESS: address })).toMatch(
        /^ *OPERATORS_ADDRESS must be/m,
      )
    },
  )
})

describe("the signing keys", () => {
  it("must be there: the API does not start without", () => {
    expect(refusal({ DATABASE_URL })).toMatch(/AUTH_KEYS must be .* \(it is missing\)/)
    expect(refusal({ DATABASE_URL, AUTH_KEYS: "" })).toContain("AUTH_KEYS must be")
  })

  it("may be several: the first one signs", () => {
    const { authKeys } = readConfig({ ...REQUIRED, AUTH_KEYS: `new-1:${KEY},old_1:${OLD_KEY}` })
    expect(authKeys.current).toBe("new-1")
    expect([...authKeys.byId.keys()]).toEqual(["new-1", "old_1"])
    expect(authKeys.byId.get("old_1")).toEqual(Buffer.alloc(48, 2))
  })

  it.each([
    ["a key without an id", KEY],
    ["an empty id", `:${KEY}`],
    ["a key of less than 32 bytes", `k1:${KEY.slice(0, 42)}`],
    ["one short key among good ones", `k1:${KEY},k2:short`],
    ["an empty key", "k1:"],
    ["a key in other characters", `k1:${"+".repeat(43)}`],
    ["a comma at the end", `k1:${KEY},`],
    ["white space", `k1:${KEY}, k2:${KEY}`],
  ])("are refused with %s", (_, keys) => {
    const message = refusal({ DATABASE_URL, AUTH_KEYS: keys })
    expect(message).toContain("AUTH_KEYS must be")
    expect(message).not.toContain(KEY.slice(0, 42))
  })
})

describe("the operators' listener", () => {
  it.each(["127.0.0.1:8090", "127.8.9.10:1", "localhost:8090", "[::1]:8090"])(
    "needs no password on the loopback interface: %s",
    (address) => {
      const { operators } = readConfig({ ...REQUIRED, OPERATORS_ADDRESS: address })
      expect(operators.password).toBeUndefined()
    },
  )

  it.each([
    ":8090",
    "0.0.0.0:8090",
    "[::]:8090",
    "10.0.0.1:8090",
    "128.0.0.1:8090",
    "operators.example.org:8090",
    "127.0.0.1.example.org:8090",
    "localhost.example.org:8090",
  ])("is refused off the loopback interface without a password: %s", (address) => {
    const env = { ...REQUIRED, OPERATORS_ADDRESS: address }
    expect(refusal(env)).toContain("OPERATORS_PASSWORD must be set")
    expect(refusal({ ...env, OPERATORS_PASSWORD: "" })).toContain("OPERATORS_PASSWORD must be set")
    const { operators } = readConfig({ ...env, OPERATORS_PASSWORD: PASSWORD })
    expect(operators.password).toBe(PASSWORD)
  })

  it("takes no password of less than 12 characters", () => {
    const env = { ...REQUIRED, OPERATORS_ADDRESS: ":8090", OPERATORS_PASSWORD: "elevenchars" }
    expect(refusal(env)).toContain("OPERATORS_PASSWORD must be")
    expect(refusal(env)).not.toContain("elevenchars")
    expect(readConfig({ ...env, OPERATORS_PASSWORD: "twelve chars" }).operators.password).toBe(
      "twelve chars",
    )
  })
})
