import { execFile } from "node:child_process"
import { cp, mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises"
import { basename, join } from "node:path"
import { promisify } from "node:util"
import { freePort } from "@gofermart/local-stack/ports.ts"
import { repository } from "../deploy/compose.ts"
import { eventually } from "../harness/eventually.ts"
import { SimulatorControl } from "../harness/simulator-control.ts"

const run = promisify(execFile)
const OUTPUT_BYTES_MAX = 64 * 1_024 * 1_024
/** What no checkout has, or nobody may touch. */
const NOT_COPIED = ["node_modules", ".git", ".data", ".turbo", "secrets", ".env"]

export interface Said {
  code: number
  stdout: string
  stderr: string
}

/** Compose 2.26 writes it in front of every line of a log, whatever `--ansi` says. */
const ERASE_LINE = "\u001B[2K"

/** Runs `docker`; never rejects. */
export function docker(args: string[], cwd = repository): Promise<Said> {
  return runHere("docker", args, cwd)
}

async function runHere(program: string, args: string[], cwd: string): Promise<Said> {
  try {
    const output = await run(program, args, { cwd, maxBuffer: OUTPUT_BYTES_MAX })
    return { code: 0, stdout: output.stdout.replaceAll(ERASE_LINE, ""), stderr: output.stderr }
  } catch (error) {
    const { code, stdout, stderr } = error as Said
    return { code, stdout, stderr }
  }
}

export interface Installation {
  /** A copy of the checkout, to plant and to change things in. */
  folder: string
  image: string
  apiUrl: string
  simulator: SimulatorControl
  /** `docker compose` with this installation's project and settings. */
  compose(...args: string[]): Promise<Said>
  /** The same, with these settings instead of some of those. */
  composeWith(settings: Record<string, string>, ...args: string[]): Promise<Said>
  /** `deploy/roll.sh`, with these settings. */
  rollWith(settings: Record<string, string>): Promise<Said>
  /** The ids of a service's containers that run. */
  containers(service: string): Promise<string[]>
  /** Takes everything away, volumes and image included. */
  remove(): Promise<void>
}

/**
 * An installation beside whatever else the engine runs: with a project, an image and ports of its own,
 * from a copy of the checkout. Secrets are made as an operator makes them.
 */
export async function prepare(settings: Record<string, string> = {}): Promise<Installation> {
  // Inside the checkout, which is where an engine in another mount namespace may see it.
  const parent = join(repository, ".data")
  await mkdir(parent, { recursive: true })
  const folder = await mkdtemp(join(parent, "containers-"))
  for (const name of await readdir(repository)) {
    if (NOT_COPIED.includes(name)) continue
    const filter = (source: string) => !NOT_COPIED.includes(basename(source))
    await cp(join(repository, name), join(folder, name), { recursive: true, filter })
  }
  const project = basename(folder).toLowerCase()
  const image = `gofermart-test:${project}`
  const [api, operators, simulator] = [await freePort(), await freePort(), await freePort()]
  const all: Record<string, string> = {
    ...settings,
    COMPOSE_PROJECT_NAME: project,
    GOFERMART_IMAGE: image,
    API_PUBLISH: `127.0.0.1:${api}`,
    OPERATORS_PORT: String(operators),
    SIMULATOR_PORT: String(simulator),
  }
  const optionsFor = async (own: Record<string, string>) => {
    const lines = Object.entries({ ...all, ...own }).map(([name, value]) => `${name}=${value}`)
    const file = join(folder, "test.env")
    await writeFile(file, lines.join("\n"))
    return ["--ansi", "never", "--env-file", file]
  }
  const composeWith = async (own: Record<string, string>, ...args: string[]) =>
    docker(["compose", ...(await optionsFor(own)), ...args], folder)
  const compose = (...args: string[]) => composeWith({}, ...args)
  await run("sh", ["deploy/make-secrets.sh"], { cwd: folder })
  return {
    folder,
    image,
    apiUrl: `http://127.0.0.1:${api}`,
    simulator: new SimulatorControl(`http://127.0.0.1:${simulator}`),
    compose,
    composeWith,
    rollWith: async (own) => runHere("sh", ["deploy/roll.sh", ...(await optionsFor(own))], folder),
    containers: async (service) =>
      (await compose("ps", "--quiet", service)).stdout.split("\n").filter(Boolean),
    remove: async () => {
      await compose("--profile", "simulator", "down", "--volumes", "--timeout", "5")
      await docker(["rmi", "--force", image])
      await rm(folder, { recursive: true, force: true })
    },
  }
}

/** Waits until an address answers with 200. */
export async function answers(url: string): Promise<void> {
  await eventually(`${url} answers`, async () => {
    const answer = await fetch(url, { signal: AbortSignal.timeout(5_000) }).catch(() => undefined)
    return answer?.ok === true
  })
}
