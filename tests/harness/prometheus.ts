import { execFile, spawn } from "node:child_process"
import { once } from "node:events"
import { cp, mkdir, mkdtemp, readFile, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { text } from "node:stream/consumers"
import { promisify } from "node:util"
import { freePort } from "@gofermart/local-stack/ports.ts"
import { describe, inject } from "vitest"
import { parse, stringify } from "yaml"
import { readCompose, REQUIRED, repository } from "../deploy/compose.ts"
import { atEndOrBefore } from "./at-end.ts"
import { isNotTheApi } from "./described.ts"
import { eventually } from "./eventually.ts"
import { areThere, PROMETHEUS } from "./missing-programs.ts"

const isThere = await areThere(PROMETHEUS)

/** Runs a suite that needs Prometheus; where there is none, it is skipped under a name that says so. */
export function describeOnPrometheus(name: string, suite: () => void): void {
  const why = isThere
    ? ""
    : " (no prometheus with promtool on the PATH; apt-get install prometheus)"
  describe.skipIf(!isThere)(`${name}${why}`, suite)
}

/** Runs promtool in the repository, and resolves with what it prints; throws when it finds a fault. */
export async function promtool(...args: string[]): Promise<string> {
  const { stdout } = await promisify(execFile)("promtool", args, { cwd: repository })
  return stdout
}

interface Configuration {
  scrape_configs: {
    job_name: string
    basic_auth: { password_file: string }
    dns_sd_configs?: unknown
    static_configs?: { targets: string[] }[]
  }[]
}

export interface Prometheus {
  /** The `data` of an answer of its API, such as that of `targets`. */
  ask<Data>(path: string): Promise<Data>
  /** The samples of its own metrics whose names begin so. */
  ownMetrics(prefix: string): Promise<number[]>
}

/**
 * Starts a Prometheus with the files of deploy/prometheus, by the script in docker-compose.yml, and with
 * what docs/OPERATIONS.md says to change: the targets (a host and port for each job), and where the
 * password is.
 */
export async function startPrometheus(
  targets: Record<string, string>,
  { login, password }: { login: string; password: string },
): Promise<Prometheus> {
  const folder = await mkdtemp(join(inject("folder"), "prometheus-"))
  await Promise.all(["memory", "data"].map((name) => mkdir(join(folder, name))))
  await writeFile(join(folder, "password"), `${password}\n`)
  await cp(join(repository, "deploy/prometheus"), join(folder, "etc"), { recursive: true })
  const file = join(folder, "etc/prometheus.yml")
  const configuration = parse(await readFile(file, "utf8")) as Configuration
  for (const job of configuration.scrape_configs) {
    delete job.dns_sd_configs
    job.static_configs = [{ targets: [targets[job.job_name] ?? ""] }]
    job.basic_auth.password_file = join(folder, "password")
  }
  await writeFile(file, stringify(configuration))

  const { entrypoint = [], command = [] } = readCompose(REQUIRED).services["prometheus"] ?? {}
  const here = (written: string) =>
    written
      // The first, because the folder may be in it.
      .replaceAll("/tmp/", `${folder}/memory/`)
      .replaceAll("/etc/prometheus/", `${folder}/etc/`)
      .replace("path=/prometheus", `path=${folder}/data`)
  const address = `127.0.0.1:${await freePort()}`
  const [shell = "", ...args] = [...entrypoint, ...command].map(here)
  const child = spawn(shell, [...args, `--web.listen-address=${address}`], {
    stdio: ["ignore", "ignore", "pipe"],
    env: { PATH: process.env["PATH"], OPERATORS_LOGIN: login },
  })
  const ended = once(child, "exit")
  const log = text(child.stderr)
  atEndOrBefore(async () => {
    child.kill("SIGKILL")
    await ended
  })
  const url = `http://${address}`
  isNotTheApi(url)
  await eventually("Prometheus is ready", async () => {
    if (child.exitCode !== null) throw new Error(`Prometheus has ended: ${await log}`)
    return (await fetch(`${url}/-/ready`).catch(() => undefined))?.ok
  })
  return {
    async ask<Data>(path: string) {
      const response = await fetch(`${url}/api/v1/${path}`)
      const { data, error } = (await response.json()) as { data: Data; error?: string }
      if (error !== undefined) throw new Error(`${path}: ${error}`)
      return data
    },
    async ownMetrics(prefix) {
      const lines = (await (await fetch(`${url}/metrics`)).text()).split("\n")
      return lines
        .filter((line) => line.startsWith(prefix))
        .map((line) => Number(line.slice(line.lastIndexOf(" "))))
    },
  }
}
