import { existsSync, readFileSync } from "node:fs"
import { createRequire } from "node:module"
import { dirname, join } from "node:path"
import { Schema as OperatorSettings, ScoringSchema } from "../../packages/operator/src/backends.ts"
import {
  readConfig as readSimulatorConfig,
  Settings as SimulatorSettings,
} from "@gofermart/scoring-simulator/config.ts"
import { Ajv } from "ajv"
import { describe, expect, it } from "vitest"
import {
  readConfig as readWorkerConfig,
  Schema as WorkerSettings,
} from "../../services/accrual-worker/src/config.ts"
import {
  readConfig as readApiConfig,
  Schema as ApiSettings,
} from "../../services/api/src/config.ts"
import { readCompose, REQUIRED, repository } from "./compose.ts"

const require = createRequire(import.meta.url)
const compose = readCompose(REQUIRED)
const services = Object.entries(compose.services)
const ours = services.filter(([, { image }]) => image === "gofermart")
/** What the image's programs or the monitoring's run in; the two databases need more rights. */
const confined = services.filter(([name]) => !["postgres", "redis"].includes(name))
const lasting = services.filter(([, { restart }]) => restart !== "no")
const published = services.flatMap(([name, { ports = [] }]) =>
  ports.map((port) => ({ name, port })),
)

describe("docker-compose.yml", () => {
  it("is valid by the Compose Specification", () => {
    // The specification's own package is for Go; the linter brings its schema along.
    const linter = dirname(require.resolve("dclint/package.json"))
    const schema = JSON.parse(
      readFileSync(join(linter, "schemas/compose.schema.json"), "utf8"),
    ) as {
      $schema: string
    }
    const ajv = new Ajv({ strict: false, validateFormats: false, allErrors: true })
    // It names its dialect without the # that ajv knows it by.
    const validate = ajv.compile({ ...schema, $schema: "http://json-schema.org/draft-07/schema#" })
    validate(compose)
    expect(validate.errors).toBeNull()
    expect(validate({ services: { api: { comand: ["node"] } } })).toBe(false)
  })

  it.each(confined)("runs %s read-only, with no rights of its own", (_name, service) => {
    expect(service.read_only).toBe(true)
    expect(service.cap_drop).toEqual(["ALL"])
    expect(service.security_opt).toEqual(["no-new-privileges:true"])
    for (const right of ["privileged", "cap_add", "user", "network_mode", "pid", "devices"]) {
      expect(service).not.toHaveProperty(right)
    }
  })

  it.each(published)("publishes $port of $name on the loopback interface", ({ port }) => {
    expect(port).toMatch(/^127\.0\.0\.1:\d+:\d+$/)
  })

  it("gives a worker no port on the host, so that any number of them can run", () => {
    expect(compose.services["accrual-worker"]).not.toHaveProperty("ports")
    expect(compose.services["accrual-worker"]).not.toHaveProperty("container_name")
  })

  it.each(lasting)("asks %s whether it is healthy", (_name, service) => {
    expect(service.healthcheck?.test[0]).toBe("CMD")
  })

  it.each(services)("pins the image of %s", (_name, { image }) => {
    expect(image).toMatch(/^gofermart$|^[a-z/]+:v?\d/)
  })

  it.each(services)("mounts into %s what the repository or the file has", (_name, service) => {
    for (const volume of service.volumes ?? []) {
      const [source = "", , mode] = volume.split(":")
      if (source.startsWith(".")) {
        expect(existsSync(join(repository, source))).toBe(true)
        expect(mode).toBe("ro")
      } else {
        expect(compose.volumes).toHaveProperty(source)
      }
    }
  })

  it.each(["AUTH_KEYS", "POSTGRES_PASSWORD", "OPERATORS_PASSWORD"])(
    "does not go on without %s",
    (name) => {
      expect(() => readCompose({ ...REQUIRED, [name]: "" })).toThrow(name)
    },
  )
})

describe("the settings in docker-compose.yml", () => {
  const settings: Record<
    string,
    { known: object; read: (env: Record<string, string>) => unknown }
  > = {
    api: { known: ApiSettings.properties, read: readApiConfig },
    "accrual-worker": { known: WorkerSettings.properties, read: readWorkerConfig },
    "scoring-simulator": {
      known: SimulatorSettings.properties,
      read: (env) => readSimulatorConfig([], env),
    },
    gofermart: {
      known: { ...OperatorSettings.properties, ...ScoringSchema.properties },
      read: () => undefined,
    },
    migrate: { known: { DATABASE_URL: {} }, read: () => undefined },
  }

  it.each(ours)("are known to %s, and usable", (name, { environment = {} }) => {
    const { known = {}, read } = settings[name] ?? {}
    expect(Object.keys(known)).toEqual(expect.arrayContaining(Object.keys(environment)))
    expect(() => read?.(environment)).not.toThrow()
  })

  it("give a process less time to stop than it has before it is killed", () => {
    for (const [, { environment = {}, stop_grace_period }] of ours) {
      if (environment["SHUTDOWN_GRACE"] === undefined) continue
      const seconds = [environment["SHUTDOWN_GRACE"], stop_grace_period ?? ""].map(
        Number.parseFloat,
      )
      expect(seconds[0]).toBeLessThan(seconds[1] ?? 0)
    }
  })
})
