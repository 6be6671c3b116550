import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { parseEnv } from "node:util"
import { parse } from "yaml"

export const repository = fileURLToPath(new URL("../../", import.meta.url))

export interface Service {
  image: string
  command?: string[]
  entrypoint?: string[]
  environment?: Record<string, string>
  ports?: string[]
  volumes?: string[]
  secrets?: string[]
  healthcheck?: { test: string[]; timeout: string }
  depends_on?: Record<string, unknown>
  restart?: string
  read_only?: boolean
  cap_drop?: string[]
  security_opt?: string[]
  stop_grace_period?: string
  [key: string]: unknown
}

export interface Compose {
  services: Record<string, Service>
  volumes: Record<string, unknown>
  secrets: Record<string, { file: string }>
  [key: string]: unknown
}

/** What docker-compose.yml asks of whoever starts it, and what `deploy/make-secrets.sh` makes. */
export const REQUIRED = { SCORING_URL: "http://scoring.test:8080" }
export const SECRETS: Record<string, string> = {
  auth_keys: "k1:dGhpcy1pcy1hLXRlc3Qta2V5LW9mLTMyLWJ5dGVzISE",
  database_password: "a-password",
  operators_password: "twelve-characters",
  grafana_password: "another-password",
}

/** The variables in a file of `deploy/`, such as `try`. */
export function envFile(name: string): Record<string, string> {
  const text = readFileSync(`${repository}deploy/${name}.env`, "utf8")
  return parseEnv(text) as Record<string, string>
}

/** A service's environment with the content of its secrets' files, as variables. */
export function withSecrets({ environment = {}, secrets = [] }: Service): Record<string, string> {
  return Object.fromEntries(
    Object.entries(environment).map(([name, value]) => {
      const [, secret] = /^\/run\/secrets\/(.+)$/.exec(value) ?? []
      if (secret === undefined) return [name, value]
      if (!secrets.includes(secret)) throw new Error(`${name} is the path of no secret`)
      return [name.replace(/_FILE$/, ""), SECRETS[secret] ?? ""]
    }),
  )
}

/** Reads docker-compose.yml as Compose does: YAML's merge keys, then the variables. */
export function readCompose(env: Record<string, string>): Compose {
  const text = readFileSync(`${repository}docker-compose.yml`, "utf8")
  return interpolate(parse(text, { merge: true }), env) as Compose
}

const VARIABLE = /\$\$|\$\{(\w+)(?:(:?-)([^}]*))?\}/g

function interpolate(value: unknown, env: Record<string, string>): unknown {
  if (typeof value === "string") {
    return value.replaceAll(VARIABLE, (whole, name?: string, kind?: string, rest = "") => {
      if (whole === "$$" || name === undefined) return "$"
      const given = env[name]
      return given === undefined || (given === "" && kind === ":-") ? rest : given
    })
  }
  if (Array.isArray(value)) return value.map((item) => interpolate(item, env))
  if (value === null || typeof value !== "object") return value
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [key, interpolate(inner, env)]),
  )
}
