import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { openSync, readFileSync } from "node:fs"
import { chmod, mkdtemp, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { connect } from "node:tls"
import { findProgram } from "@gofermart/local-stack/find-program.ts"
import { freePort } from "@gofermart/local-stack/ports.ts"
import { describe, inject } from "vitest"
import {
  LOOPBACK_CERTIFICATE,
  LOOPBACK_PRIVATE_KEY,
  RENEWED_CERTIFICATE,
  RENEWED_PRIVATE_KEY,
} from "../settings/certificate.ts"
import { atEndOrBefore } from "./at-end.ts"
import { eventually } from "./eventually.ts"
import { forgetLog, watchLog } from "./logs.ts"
import { HAPROXY, NGINX } from "./missing-programs.ts"

const deploy = join(import.meta.dirname, "../../deploy")

/** Certificates of a proxy, the later in place of the earlier; each is its own authority. */
export const AUTHORITIES = [LOOPBACK_CERTIFICATE, RENEWED_CERTIFICATE]

/** A reverse proxy of a test's own, with the committed configuration; only addresses and paths are other ones. */
export interface ReverseProxy {
  /** Over TLS. */
  url: string
  /** Without. */
  plainUrl: string
  /** Replaces the certificate and reloads; resolves when new connections see it. */
  renewCertificate(): Promise<void>
  /** Stops it as Debian's units do, and starts it again. */
  restart(): Promise<void>
}

/** What the one and the other program need. */
interface Program {
  path: string | undefined
  /** Of what is deployed, with the places that differ in a test. */
  snippet: string
  places: (at: Addresses) => [RegExp, string][]
  /** What a machine's own configuration has, which reads ours. */
  base: (folder: string) => string
  args: (folder: string) => string[]
  certificateFile: (certificate: string, key: string) => Record<string, string>
  reload: NodeJS.Signals
  stop: NodeJS.Signals
}

interface Addresses {
  folder: string
  port: number
  plainPort: number
  /** Hosts and ports of the APIs. */
  apis: string[]
}

// Nobody needs IPv6 for a test: another address of the loopback interface takes its place.
const SECOND_ADDRESS = "127.0.0.9"

const nginx: Program = {
  path: await findProgram(NGINX),
  snippet: "nginx/gofermart.conf",
  places: ({ folder, port, plainPort, apis: [first = "", second = ""] }) => [
    [/\blisten 443\b/, `listen 127.0.0.1:${port}`],
    [/\blisten \[::\]:443\b/, `listen ${SECOND_ADDRESS}:${port}`],
    [/\blisten 80\b/, `listen 127.0.0.1:${plainPort}`],
    [/\blisten \[::\]:80\b/, `listen ${SECOND_ADDRESS}:${plainPort}`],
    [/\bserver 127\.0\.0\.1:8080\b/, `server ${first}`],
    [/\bserver 127\.0\.0\.1:8081\b/, `server ${second}`],
    [/\/etc\/ssl\/gofermart\/fullchain\.pem/, join(folder, "fullchain.pem")],
    [/\/etc\/ssl\/gofermart\/privkey\.pem/, join(folder, "privkey.pem")],
  ],
  base: (folder) => {
    const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
    return `
      daemon off;
      worker_processes 2;
      pid ${folder}/nginx.pid;
      error_log stderr warn;
      events { worker_connections 768; }
      http {
        access_log off;
        gzip on;
        ${temporary.map((name) => `${name}_temp_path ${folder}/${name};`).join("\n")}
        include ${folder}/snippet;
      }`
  },
  args: (folder) => ["-p", folder, "-e", "stderr", "-c", join(folder, "base")],
  certificateFile: (certificate, key) => ({ "fullchain.pem": certificate, "privkey.pem": key }),
  reload: "SIGHUP",
  stop: "SIGQUIT",
}

const haproxy: Program = {
  path: await findProgram(HAPROXY),
  snippet: "haproxy/gofermart.cfg",
  places: ({ folder, port, plainPort, apis: [first = "", second = ""] }) => [
    [/\bbind \*:443\b/, `bind 127.0.0.1:${port}`],
    [/\bbind \[::\]:443\b/, `bind ${SECOND_ADDRESS}:${port}`],
    [/\bbind \*:80\b/, `bind 127.0.0.1:${plainPort}`],
    [/\bbind \[::\]:80\b/, `bind ${SECOND_ADDRESS}:${plainPort}`],
    [/\bserver api1 127\.0\.0\.1:8080\b/, `server api1 ${first}`],
    [/\bserver api2 127\.0\.0\.1:8081\b/, `server api2 ${second}`],
    [/\/etc\/ssl\/gofermart\/haproxy\.pem/g, join(folder, "haproxy.pem")],
  ],
  base: () => "global\n    maxconn 2000\n    log stderr format raw local0 warning\n",
  args: (folder) => ["-W", "-f", join(folder, "base"), "-f", join(folder, "snippet")],
  certificateFile: (certificate, key) => ({ "haproxy.pem": certificate + key }),
  reload: "SIGUSR2",
  stop: "SIGTERM",
}

const PROGRAMS = { nginx, haproxy }

export type StartProxy = (apiUrls: string[]) => Promise<ReverseProxy>

/** Runs a suite behind each of the proxies. Where one is missing, its half is skipped under a name that says so. */
export function describeBehindProxies(
  name: string,
  suite: (start: StartProxy, proxy: keyof typeof PROGRAMS) => void,
): void {
  for (const title of ["nginx", "haproxy"] as const) {
    const program = PROGRAMS[title]
    const isMissing = program.path === undefined
    const why = isMissing ? ` (no ${title}; apt-get install ${title})` : ""
    describe.skipIf(isMissing)(`${name}, behind ${title}${why}`, () =>
      suite((apiUrls) => startProxy(program, apiUrls), title),
    )
  }
}

async function startProxy(program: Program, apiUrls: string[]): Promise<ReverseProxy> {
  const folder = await mkdtemp(join(inject("folder"), "proxy-"))
  // The processes that serve are another user's where the test runs as root.
  await chmod(folder, 0o755)
  const [port, plainPort] = [await freePort(), await freePort()]
  const apis = apiUrls.map((url) => new URL(url).host)
  await writeFile(join(folder, "base"), program.base(folder))
  await writeFile(join(folder, "snippet"), place(program, { folder, port, plainPort, apis }))
  const writeCertificate = async (certificate: string, key: string) => {
    for (const [name, text] of Object.entries(program.certificateFile(certificate, key))) {
      await writeFile(join(folder, name), text)
    }
  }
  await writeCertificate(LOOPBACK_CERTIFICATE, LOOPBACK_PRIVATE_KEY)
  const logFile = join(folder, "log")
  const log = openSync(logFile, "a")
  watchLog(logFile)
  let child: ChildProcess
  const start = async () => {
    child = spawn(program.path ?? "", program.args(folder), { stdio: ["ignore", log, log] })
    await eventually("the proxy serves", async () => {
      if (child.exitCode !== null)
        throw new Error(`the proxy ended:\n${readFileSync(logFile, "utf8")}`)
      return (await certificateAt(port)) !== undefined
    })
  }
  const end = async (signal: NodeJS.Signals) => {
    if (child.exitCode !== null || child.signalCode !== null) return
    const ended = once(child, "exit")
    child.kill(signal)
    await ended
  }
  await start()
  atEndOrBefore(async () => {
    await end("SIGTERM")
    forgetLog(logFile)
  })
  return {
    url: `https://127.0.0.1:${port}`,
    plainUrl: `http://127.0.0.1:${plainPort}`,
    async renewCertificate() {
      const before = await certificateAt(port)
      await writeCertificate(RENEWED_CERTIFICATE, RENEWED_PRIVATE_KEY)
      child.kill(program.reload)
      await eventually("the new certificate", async () => {
        const now = await certificateAt(port)
        return now !== undefined && now !== before
      })
    },
    async restart() {
      await end(program.stop)
      await start()
    },
  }
}

/** The committed configuration with the places of a test. Each is to be found. */
function place({ snippet, places }: Program, at: Addresses): string {
  let text = readFileSync(join(deploy, snippet), "utf8")
  for (const [from, to] of places(at)) {
    if (text.search(from) === -1) throw new Error(`${snippet} has no ${from}`)
    text = text.replace(from, to)
  }
  return text
}

/** The fingerprint of what a new connection is shown; undefined while nobody serves. */
function certificateAt(port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: "127.0.0.1", ca: AUTHORITIES }, () => {
      const { fingerprint256 } = socket.getPeerCertificate()
      socket.end()
      resolve(fingerprint256)
    })
    socket.on("error", () => resolve(undefined))
  })
}
