import { rmSync } from "node:fs"
import { connectionBy } from "@gofermart/shared/db/connection.ts"
import { RoutedClient } from "@gofermart/shared/db/routed-client.ts"
import { readConfigOrExit } from "@gofermart/shared/runtime/config-exit.ts"
import { readTracing, tracingSettings } from "@gofermart/shared/runtime/tracing-settings.ts"
import { afterAll, describe, expect, it, vi } from "vitest"
import { readConfig as readApiConfig } from "../../services/api/src/config.ts"
import { ENTRIES, USABLE, USABLE_SECRETS, WITHOUT_PASSWORD } from "./entries.ts"
import {
  certificate,
  file,
  folder,
  key,
  otherKey,
  UNREADABLE,
  UNUSABLE,
  UNUSABLE_TRACING,
} from "./rows.ts"

afterAll(() => rmSync(folder, { recursive: true }))

/** Shorter ones may stand in any sentence. */
const VALUE_LENGTH_MIN = 8

class Ended extends Error {}

/** What an entry says, and with which code it ends, when it reads these settings first. */
function readSettings(read: () => unknown): { code: unknown; said: string } {
  let said = ""
  let code: unknown
  const exit = vi.spyOn(process, "exit").mockImplementation((given) => {
    code = given
    throw new Ended()
  })
  const write = (text: unknown) => {
    said += String(text)
    return true
  }
  const streams = [process.stderr, process.stdout].map((stream) =>
    vi.spyOn(stream, "write").mockImplementation(write),
  )
  try {
    readConfigOrExit(read)
  } catch (error) {
    if (!(error instanceof Ended)) throw error
  } finally {
    for (const spy of [exit, ...streams]) spy.mockRestore()
  }
  return { code, said }
}

/** Names of parameters and of what they can be, which are told. */
const TOLD =
  /^(search_path|ssl(rootcert|cert|key|mode|negotiation)|(statement|query|lock)_timeout|pgbouncer|uselibpqcompat|target_session_attrs|load_balance_hosts|verify-(ca|full))$/

/** The parts of a value that nobody may read, a password among them, but what the right form names. */
function partsOf(value: string, description: string): string[] {
  return [value, ...value.split(/[^\p{L}\p{N}_-]+/u)].filter(
    (part) => part.length >= VALUE_LENGTH_MIN && !description.includes(part) && !TOLD.test(part),
  )
}

function descriptionOf(property: object | undefined): string {
  return (property as { description?: string } | undefined)?.description ?? ""
}

describe.each(Object.entries(ENTRIES))("%s", (_name, { settings, read }) => {
  it("is content with usable settings", () => {
    expect(readSettings(() => read(USABLE))).toEqual({ code: undefined, said: "" })
  })

  it.each(Object.keys(settings))("ends with 78 for an unusable %s, and says why", (setting) => {
    const rows = UNUSABLE[setting]
    if (rows === undefined) throw new Error(`${setting} has no rows in rows.ts`)
    const description = descriptionOf(settings[setting])
    for (const [value, wrong] of rows) {
      const { code, said } = readSettings(() => read({ ...USABLE, [setting]: value }))
      expect.soft({ value, code }).toEqual({ value, code: 78 })
      const lines = said.split("\n")
      expect.soft(lines[0], value).toBe("The configuration is not usable:")
      expect.soft(lines[1], value).toContain(`  ${setting} must be ${description} (`)
      expect.soft(lines[1], value).toMatch(wrong)
      expect.soft(lines.slice(2), value).toEqual([""])
      for (const part of partsOf(value, description)) expect.soft(said).not.toContain(part)
    }
  })

  it("tells of everything at once", () => {
    const names = Object.keys(settings).filter((setting) => (UNUSABLE[setting]?.length ?? 0) > 0)
    const values = names.map((setting) => [setting, UNUSABLE[setting]?.[0]?.[0] ?? ""] as const)
    const { code, said } = readSettings(() => read(Object.fromEntries(values)))
    expect(code).toBe(78)
    const told = [...said.matchAll(/^ {2}(\w+) must be/gm)].map(([, setting]) => setting)
    expect(new Set(told)).toEqual(new Set(names))
  })
})

/** The secrets of every entry, each with a value that is usable in every one of them. */
const secrets = Object.entries(ENTRIES).flatMap(([entry, { settings }]) =>
  Object.entries(settings)
    .filter(([, { about }]) => about.secret === true)
    .map(([setting]) => ({ entry, setting, value: USABLE_SECRETS[setting] ?? "" })),
)

describe("a secret in a file", () => {
  it.each(secrets)("$setting of $entry is read, without the line break", (secret) => {
    const { entry, setting, value } = secret
    const others = { ...WITHOUT_PASSWORD, [setting]: undefined }
    const read = (env: NodeJS.ProcessEnv) => ENTRIES[entry]?.read(env)
    const path = file("secret", `${value}\n`)
    expect(readSettings(() => read({ ...others, [`${setting}_FILE`]: path }))).toEqual({
      code: undefined,
      said: "",
    })
    for (const [bad, wrong] of UNREADABLE) {
      const { code, said } = readSettings(() => read({ ...others, [`${setting}_FILE`]: bad }))
      expect.soft(code).toBe(78)
      expect.soft(said).toMatch(new RegExp(`^ {2}${setting}_FILE must be the path of a file`, "m"))
      expect.soft(said).toMatch(wrong)
    }
    const both = { ...others, [setting]: value, [`${setting}_FILE`]: path }
    const { code, said } = readSettings(() => read(both))
    expect(code).toBe(78)
    expect(said).toContain(`${setting}_FILE is given too`)
  })

  it("is as the same text in a variable", () => {
    const AUTH_KEYS_FILE = file("keys", `${USABLE.AUTH_KEYS}\n`)
    const DATABASE_PASSWORD_FILE = file("password", "p@ss/w?rd %41+&\n")
    const env = { ...WITHOUT_PASSWORD, AUTH_KEYS: "", AUTH_KEYS_FILE, DATABASE_PASSWORD_FILE }
    const { authKeys, databaseUrl, queueUrl } = readApiConfig(env)
    expect(authKeys).toEqual(readApiConfig(USABLE).authKeys)
    expect(new RoutedClient(connectionBy(databaseUrl))).toMatchObject({
      user: "user",
      password: "p@ss/w?rd %41+&",
      host: "db.test",
      database: "points",
    })
    expect(queueUrl).toBe(databaseUrl)
  })
})

describe("settings that do not go together", () => {
  it.each([
    {
      entry: "api",
      env: { OPERATORS_ADDRESS: ":8090" },
      says: "OPERATORS_ADDRESS is not on the loopback interface: OPERATORS_PASSWORD must be set",
    },
    {
      entry: "worker",
      env: { OPERATORS_ADDRESS: "0.0.0.0:8090" },
      says: "OPERATORS_ADDRESS is not on the loopback interface: OPERATORS_PASSWORD must be set",
    },
    ...["api", "worker", "migrate", "gofermart", "recheck", "start"].map((entry) => ({
      entry,
      env: { DATABASE_PASSWORD: "another" },
      says: "DATABASE_URL has a password: DATABASE_PASSWORD must not be set",
    })),
    {
      entry: "worker",
      env: { REQUEUE_LEASE_MIN: "2m", REQUEUE_LEASE_MAX: "1m" },
      says: "REQUEUE_LEASE_MIN must not be longer than REQUEUE_LEASE_MAX",
    },
    {
      entry: "worker",
      env: { LIVENESS_TIMEOUT: "10s", SCORING_TIMEOUT: "10s" },
      says: "LIVENESS_TIMEOUT must be longer than SCORING_TIMEOUT",
    },
    ...["migrate", "gofermart"].map((entry) => ({
      entry,
      env: { DATABASE_URL: `${USABLE.DATABASE_URL}?pooler=transaction` },
      says:
        entry === "migrate"
          ? "MIGRATION_DATABASE_URL must lead past the pooler in transaction mode"
          : "DATABASE_URL must lead past the pooler in transaction mode",
    })),
  ])("end $entry with 78, beside what else is wrong: $says", ({ entry, env, says }) => {
    const given: Record<string, string> = { ...USABLE, ...env, QUEUE_URL: "a-queue" }
    const { code, said } = readSettings(() => ENTRIES[entry]?.read(given))
    expect(code).toBe(78)
    expect(said).toMatch(/^ {2}QUEUE_URL must be /m)
    expect(said).toContain(`\n  ${says}`)
  })

  it.each(["api", "worker", "migrate", "gofermart"])(
    "end %s with 78 where the queue is behind a pooler in transaction mode",
    (entry) => {
      const pooled = `${USABLE.DATABASE_URL}?pgbouncer=true`
      const places = [
        { DATABASE_URL: pooled },
        { DATABASE_URL: USABLE.DATABASE_URL, QUEUE_URL: pooled },
      ]
      for (const place of places) {
        const { code, said } = readSettings(() => ENTRIES[entry]?.read({ ...USABLE, ...place }))
        expect(code).toBe(78)
        expect(said).toContain("\n  QUEUE_URL must name a Redis, or a PostgreSQL without a pooler")
      }
    },
  )

  describe.each(["api", "worker", "migrate", "gofermart", "recheck", "start"])(
    "%s: a prefix",
    (entry) => {
      it.each([
        [undefined, "QUEUE_PREFIX is for a queue in Redis, and QUEUE_URL names none"],
        ["postgresql://user@queue.test/jobs", "QUEUE_PREFIX is for a queue in Redis"],
        ["redis://queue.test?prefix=other", "QUEUE_URL has a prefix: QUEUE_PREFIX must not be set"],
      ])("beside %s ends with 78", (url, says) => {
        const env = {
          ...USABLE,
          ...(url !== undefined && { QUEUE_URL: url }),
          QUEUE_PREFIX: "shop",
        }
        const { code, said } = readSettings(() => ENTRIES[entry]?.read(env))
        expect(code).toBe(78)
        expect(said).toContain(`\n  ${says}`)
      })
    },
  )
})

describe("an unusable setting of traces", () => {
  it.each(Object.keys(tracingSettings))("%s is told, and counts as not set", (setting) => {
    const rows = UNUSABLE_TRACING[setting]
    if (rows === undefined) throw new Error(`${setting} has no rows in rows.ts`)
    const description = descriptionOf((tracingSettings as Record<string, object>)[setting])
    for (const [value, wrong] of rows) {
      const env = { ...USABLE, [setting]: value }
      for (const entry of ["api", "worker"]) {
        const { code } = readSettings(() => ENTRIES[entry]?.read(env))
        expect.soft({ value, code }).toEqual({ value, code: undefined })
      }
      const { ignored, environment } = readTracing(env, "a-service")
      expect.soft(ignored, value).toHaveLength(1)
      expect.soft(ignored[0], value).toContain(`${setting} must be ${description} (`)
      expect.soft(ignored[0], value).toMatch(wrong)
      expect.soft(environment, value).toHaveProperty(setting, undefined)
      for (const part of partsOf(value, description)) expect.soft(ignored[0]).not.toContain(part)
    }
  })

  it.each([
    [certificate, undefined, "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE has no key"],
    [undefined, key, "OTEL_EXPORTER_OTLP_CLIENT_KEY has no certificate"],
    [certificate, otherKey, "is not the key of OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE"],
    [certificate, key, undefined],
  ])("is a certificate %s with the key %s: %s", (certificateFile, keyFile, wrong) => {
    const names = ["OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", "OTEL_EXPORTER_OTLP_CLIENT_KEY"]
    const env = Object.fromEntries([certificateFile, keyFile].map((path, i) => [names[i], path]))
    const { ignored, environment } = readTracing(env, "a-service")
    const isPair = wrong === undefined
    expect(ignored).toEqual(isPair ? [] : [expect.stringContaining(wrong)])
    for (const name of names) {
      expect(environment[name]).toBe(isPair ? env[name] : undefined)
    }
  })
})
