import { type ChildProcess, execFile, spawn } from "node:child_process"
import { promisify } from "node:util"
import { findProgram } from "@gofermart/local-stack/find-program.ts"
import { atFileEnd } from "./at-end.ts"

const run = promisify(execFile)

/** Of TEST-NET-2 (RFC 5737), which nobody uses. */
const SERVER_ADDRESS = "198.51.100.1"
const CLIENT_ADDRESS = "198.51.100.2"
const PREFIX = "30"

/** Two ends of a virtual link: one is this machine's, the other that of clients which a test can cut off. */
export interface OwnNetwork {
  serverAddress: string
  clientAddress: string
  /** Runs a program on the clients' side. */
  start(program: string, args: string[]): ChildProcess
  /** Takes the link down: what is sent from then on is lost, and nobody is told. */
  cut(): Promise<void>
}

/** Why this machine cannot have a network of a test's own; undefined when it can. */
export async function whyNoOwnNetwork(): Promise<string | undefined> {
  if ((await findProgram(["ip"])) === undefined) return "there is no `ip` on the PATH"
  const name = `probe${process.pid}`
  try {
    await ip("netns", "add", name)
    await ip("-n", name, "link", "add", "veth0", "type", "veth", "peer", "name", "veth1")
    return undefined
  } catch {
    return "it takes root's rights, or sudo without a password, and Linux"
  } finally {
    await ip("netns", "delete", name).catch(() => {})
  }
}

/** Lays a network that goes when the test file ends. */
export async function layOwnNetwork(): Promise<OwnNetwork> {
  const name = `gofermart${process.pid}`
  const [here, there] = [`gm${process.pid}s`, `gm${process.pid}c`]
  await ip("netns", "add", name)
  atFileEnd(async () => {
    await ip("netns", "delete", name)
  })
  await ip("link", "add", here, "type", "veth", "peer", "name", there)
  await ip("link", "set", there, "netns", name)
  await ip("address", "add", `${SERVER_ADDRESS}/${PREFIX}`, "dev", here)
  await ip("link", "set", here, "up")
  await ip("-n", name, "address", "add", `${CLIENT_ADDRESS}/${PREFIX}`, "dev", there)
  await ip("-n", name, "link", "set", there, "up")
  return {
    serverAddress: SERVER_ADDRESS,
    clientAddress: CLIENT_ADDRESS,
    start(program, args) {
      const [command = "", ...rest] = asRoot(
        "ip",
        "netns",
        "exec",
        name,
        process.execPath,
        program,
        ...args,
      )
      return spawn(command, rest, { stdio: ["pipe", "pipe", "inherit"] })
    },
    async cut() {
      await ip("-n", name, "link", "set", there, "down")
    },
  }
}

function ip(...args: string[]): Promise<unknown> {
  const [command = "", ...rest] = asRoot("ip", ...args)
  return run(command, rest)
}

function asRoot(...command: string[]): string[] {
  return process.getuid?.() === 0 ? command : ["sudo", "-n", ...command]
}
