import { existsSync, readFileSync } from "node:fs"
import { createRequire } from "node:module"
import { dirname, join } from "node:path"
import { PROGRAMS } from "@gofermart/local-stack/programs.ts"
import { readConfig as readSimulatorConfig } from "@gofermart/scoring-simulator/config.ts"
import { textOf } from "@gofermart/shared/runtime/settings-help.ts"
import { Ajv } from "ajv"
import { describe, expect, it } from "vitest"
import { readConfig as readWorkerConfig } from "../../services/accrual-worker/src/config.ts"
import { readConfig as readApiConfig } from "../../services/api/src/config.ts"
import {
  envFile,
  readCompose,
  REQUIRED,
  repository,
  SECRETS,
  withSecrets,
} from "../deploy/compose.ts"
import { composeVariables } from "../settings/compose-settings.ts"
import { composeSetting } from "../settings/pages.ts"

/** They see nothing of the system but its metrics. */
const MONITORING = ["prometheus", "grafana"]

const require = createRequire(import.meta.url)
const compose = readCompose(REQUIRED)
const services = Object.entries(compose.services)
const ours = services.filter(([, { image }]) => image === "gofermart")
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

  it.each(services)(
    "runs %s read-only, with no rights of its own, within limits",
    (_name, service) => {
      expect(service).toMatchObject({
        init: true,
        read_only: true,
        cap_drop: ["ALL"],
        security_opt: ["no-new-privileges:true"],
        pids_limit: expect.any(Number),
        mem_limit: expect.any(String),
        logging: { driver: "json-file", options: { "max-size": "20m", "max-file": "5" } },
      })
      for (const right of ["privileged", "cap_add", "network_mode", "pid", "devices"]) {
        expect(service).not.toHaveProperty(right)
      }
      expect(service["user"]).not.toBe("root")
    },
  )

  it("starts again what is to run, after it has ended and after a restart of the engine", () => {
    const names = lasting.filter(([, { restart }]) => restart === "unless-stopped")
    expect(names).toEqual(lasting)
  })

  it("has one service build the image, which the others wait for", () => {
    const builders = services.filter(([, service]) => "build" in service).map(([name]) => name)
    expect(builders).toEqual(["settings-check"])
    for (const [name, service] of ours) {
      if (name !== "settings-check") expect(service["pull_policy"]).toBe("never")
    }
  })

  it.each(["migrate", "api", "accrual-worker"])(
    "lets %s start only with usable settings",
    (name) => {
      const waitedFor = (one: string): string[] => {
        const next = Object.keys(compose.services[one]?.depends_on ?? {})
        return [...next, ...next.flatMap(waitedFor)]
      }
      expect(waitedFor(name)).toContain("settings-check")
    },
  )

  it("stops no server when a setting changes", () => {
    for (const name of ["postgres", "redis", "scoring-simulator"]) {
      expect(compose.services[name]).not.toHaveProperty("depends_on")
    }
  })

  it.each(services)(
    "gives %s only secrets that there are, and names each by its file",
    (name, service) => {
      expect(Object.keys(SECRETS)).toEqual(expect.arrayContaining(service.secrets ?? []))
      const values = Object.values(withSecrets(service))
      const given = (service.secrets ?? []).map((secret) => SECRETS[secret])
      if (!MONITORING.includes(name)) expect(values).toEqual(expect.arrayContaining(given))
      const variables = Object.keys(service.environment ?? {})
      const secret = variables.filter((variable) => /PASSWORD|KEYS|SECRET|TOKEN$/.test(variable))
      expect(secret.filter((variable) => !/_FILE$|_MIN$/.test(variable))).toEqual([])
    },
  )

  it("takes each secret from the folder that deploy/make-secrets.sh makes", () => {
    const script = readFileSync(join(repository, "deploy/make-secrets.sh"), "utf8")
    const made = [...script.matchAll(/^make (\w+) /gm)].map(([, name]) => `./secrets/${name}`)
    expect(Object.values(compose.secrets).map(({ file }) => file)).toEqual(made)
    expect(Object.keys(compose.secrets)).toEqual(Object.keys(SECRETS))
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

  it("says nothing of a scoring system that is not there: its check refuses that", () => {
    const { environment } = readCompose({}).services["settings-check"] ?? {}
    expect(environment).toMatchObject({ SCORING_URL: "" })
  })

  it("runs no Redis where the queue is in PostgreSQL", () => {
    const { redis, api } = readCompose({ ...REQUIRED, ...envFile("queue-in-postgresql") }).services
    expect(redis?.["scale"]).toBe("0")
    expect(api?.environment).toMatchObject({ QUEUE_URL: "" })
  })

  it("polls the simulator when it is tried out", () => {
    const env = envFile("try")
    const { services: tried } = readCompose(env)
    expect(tried["scoring-simulator"]).toMatchObject({ profiles: [env["COMPOSE_PROFILES"]] })
    expect(tried["accrual-worker"]?.environment).toMatchObject({
      SCORING_URL: "http://scoring-simulator:8091",
    })
  })
})

describe("the settings in docker-compose.yml", () => {
  const settings: Record<
    string,
    { known: object; read: (env: Record<string, string>) => unknown }
  > = {
    "settings-check": {
      known: { ...PROGRAMS.api, ...PROGRAMS.worker, ...PROGRAMS.simulator },
      read: (env) => [readApiConfig(env), readWorkerConfig(env), readSimulatorConfig([], env)],
    },
    api: { known: PROGRAMS.api, read: readApiConfig },
    "accrual-worker": { known: PROGRAMS.worker, read: readWorkerConfig },
    "scoring-simulator": {
      known: PROGRAMS.simulator,
      read: (env) => readSimulatorConfig([], env),
    },
    gofermart: { known: PROGRAMS.commands, read: () => undefined },
    migrate: { known: PROGRAMS.migrate, read: () => undefined },
  }

  it.each(ours)("are known to %s, and usable", (name, service) => {
    const environment = withSecrets(service)
    const { known = {}, read } = settings[name] ?? {}
    expect(Object.keys(known)).toEqual(expect.arrayContaining(Object.keys(environment)))
    expect(() => read?.(environment)).not.toThrow()
  })

  it.each(ours)("are all that %s reads", (name, service) => {
    const environment = withSecrets(service)
    // Of traces most name files, which a container has not; and its PostgreSQL is behind no pooler.
    const read = Object.keys(settings[name]?.known ?? {}).filter(
      (key) => !key.startsWith("OTEL_") && key !== "MIGRATION_DATABASE_URL",
    )
    expect(
      read.filter((setting) => environment[setting] === undefined),
      `docker-compose.yml does not hand these to ${name}: add NAME: \${NAME:-}`,
    ).toEqual([])
  })

  it("do not repeat the default that their schema has", () => {
    const ofOthers = services
      .filter((service) => !ours.includes(service))
      .flatMap(([, { environment = {} }]) => Object.keys(environment))
    const repeated = composeVariables()
      .filter(({ name }) => !ofOthers.includes(name))
      .filter(
        ({ name, defaultValue }) => textOf(composeSetting(name)).defaultValue === defaultValue,
      )
    expect(repeated).toEqual([])
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
