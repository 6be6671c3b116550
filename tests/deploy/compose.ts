import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { parse } from "yaml"

export const repository = fileURLToPath(new URL("../../", import.meta.url))

export interface Service {
  image: string
  command?: string[]
  entrypoint?: string[]
  environment?: Record<string, string>
  ports?: string[]
  volumes?: string[]
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
  [key: string]: unknown
}

/** What docker-compose.yml asks of whoever starts it. */
export const REQUIRED = {
  AUTH_KEYS: "k1:dGhpcy1pcy1hLXRlc3Qta2V5LW9mLTMyLWJ5dGVzISE",
  POSTGRES_PASSWORD: "a-password",
  OPERATORS_PASSWORD: "twelve-characters",
}

/** Reads docker-compose.yml as Compose does: YAML's merge keys, then the variables. */
export function readCompose(env: Record<string, string>): Compose {
  const text = readFileSync(`${repository}docker-compose.yml`, "utf8")
  return interpolate(parse(text, { merge: true }), env) as Compose
}

const VARIABLE = /\$\$|\$\{(\w+)(?::([-?])([^}]*))?\}/g

function interpolate(value: unknown, env: Record<string, string>): unknown {
  if (typeof value === "string") {
    return value.replaceAll(VARIABLE, (whole, name?: string, kind?: string, rest = "") => {
      if (whole === "$$" || name === undefined) return "$"
      const given = env[name] ?? ""
      if (given === "" && kind === "?") throw new Error(`${name}: ${rest}`)
      return given === "" ? rest : given
    })
  }
  if (Array.isArray(value)) return value.map((item) => interpolate(item, env))
  if (value === null || typeof value !== "object") return value
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [key, interpolate(inner, env)]),
  )
}
