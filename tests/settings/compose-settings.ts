import { readFileSync } from "node:fs"
import { textSetting } from "@gofermart/shared/runtime/env.ts"
import { type About, optional, type Setting, setting } from "@gofermart/shared/runtime/setting.ts"
import { repository } from "../deploy/compose.ts"

/** Compose takes any text; what is wrong with it, its containers say. */
function own(description: string, about: About): Setting {
  const kind = setting(
    textSetting({ description }, () => undefined),
    about,
  )
  return optional(kind, about.fallback ?? "nothing")
}

/** What docker-compose.yml takes from its environment and no program of ours reads. */
export const composeSettings: Record<string, Setting> = {
  GOFERMART_IMAGE: own("a name, or a name and a tag", {
    purpose: "the image of all our services; another tag is another version",
  }),
  API_PUBLISH: own(
    "an address host:port, or host:first-last for several APIs; on another host than 127.0.0.1 it passes a firewall",
    {
      purpose: "where the host serves the API",
    },
  ),
  API_CONTAINERS: own("a number; for several, the two ports are ranges", {
    purpose: "how many containers of the API run",
  }),
  WORKER_CONTAINERS: own("a number", { purpose: "how many containers of workers run" }),
  REDIS_CONTAINERS: own("1, or 0 where the queue is in PostgreSQL", {
    purpose: "how many containers of Redis run",
  }),
  OPERATORS_PORT: own("a port of the loopback interface, or first-last for several APIs", {
    purpose: "where the host serves the API's operators",
  }),
  SIMULATOR_PORT: own("a port of the loopback interface", {
    purpose: "where the host serves the simulator",
  }),
  PROMETHEUS_RETENTION: own("a length of time such as 30d", {
    purpose: "how long Prometheus keeps what it has measured",
  }),
  PROMETHEUS_PORT: own("a port of the loopback interface", {
    purpose: "where the host serves Prometheus",
  }),
  GRAFANA_PORT: own("a port of the loopback interface", {
    purpose: "where the host serves Grafana",
  }),
}

/** A variable that docker-compose.yml takes from its environment. */
export interface ComposeVariable {
  name: string
  /** What the file says for it; empty when it leaves that to whoever reads it. */
  defaultValue: string
}

/** Every variable of docker-compose.yml once. */
export function composeVariables(): ComposeVariable[] {
  const file = readFileSync(`${repository}docker-compose.yml`, "utf8")
  const found = [...file.matchAll(/(?<!\$)\$\{(\w+)(?::?-([^}]*))?\}/g)]
  const variables = found.map(([, name = "", defaultValue = ""]) => ({ name, defaultValue }))
  return variables.filter(
    ({ name }, at) => variables.findIndex((variable) => variable.name === name) === at,
  )
}
