import { readFileSync } from "node:fs"
import { findProgram, REDIS_SERVERS } from "@gofermart/local-stack/find-program.ts"
import { whyNoOwnNetwork } from "./own-network.ts"

export const BROWSERS = ["chromium", "chromium-browser", "google-chrome"]
// Debian has them where only root's PATH leads.
export const NGINX = ["nginx", "/usr/sbin/nginx"]
export const HAPROXY = ["haproxy", "/usr/sbin/haproxy"]
export const PGBOUNCER = ["pgbouncer", "/usr/sbin/pgbouncer"]
export const PROMETHEUS = ["prometheus", "promtool"]

export interface Missing {
  what: string
  /** What a package manager knows it as. */
  packageName: string
  /** The test files that need it, or a part of which does. */
  files: string[]
}

/** What no npm package carries, and how a test file that needs it can be told. */
const PROGRAMS = [
  {
    what: "redis-server or valkey-server",
    isThere: async () => (await findProgram(REDIS_SERVERS)) !== undefined,
    packageName: process.platform === "darwin" ? "redis" : "redis-server",
    sign: /describeOnBackends|describeOnRedis|"redisServer"/,
  },
  {
    what: "chromium",
    isThere: async () => (await findProgram(BROWSERS)) !== undefined,
    packageName: "chromium",
    sign: /"browser"/,
  },
  {
    what: "nginx",
    isThere: async () => (await findProgram(NGINX)) !== undefined,
    packageName: "nginx",
    sign: /describeBehindProxies/,
  },
  {
    what: "haproxy",
    isThere: async () => (await findProgram(HAPROXY)) !== undefined,
    packageName: "haproxy",
    sign: /describeBehindProxies/,
  },
  {
    what: "pgbouncer",
    isThere: async () => (await findProgram(PGBOUNCER)) !== undefined,
    packageName: "pgbouncer",
    sign: /findProgram\(PGBOUNCER\)/,
  },
  {
    what: "ip with root's rights, which Linux alone has",
    isThere: async () => (await whyNoOwnNetwork()) === undefined,
    packageName: "iproute2",
    sign: /whyNoOwnNetwork/,
  },
  {
    what: "prometheus with promtool",
    isThere: () => areThere(PROMETHEUS),
    packageName: "prometheus",
    sign: /describeOnPrometheus/,
  },
]

/** The programs that some of these test files need and this machine has not. */
export async function findMissing(files: string[]): Promise<Missing[]> {
  const missing: Missing[] = []
  for (const { what, isThere, packageName, sign } of PROGRAMS) {
    const needing = files.filter((file) => sign.test(readFileSync(file, "utf8")))
    if (needing.length > 0 && !(await isThere())) {
      missing.push({ what, packageName, files: needing })
    }
  }
  return missing
}

/** Whether each of these programs is on the PATH. */
export async function areThere(programs: string[]): Promise<boolean> {
  const paths = await Promise.all(programs.map((name) => findProgram([name])))
  return paths.every((path) => path !== undefined)
}

export function installCommand(missing: Missing[]): string {
  const packages = missing.map(({ packageName }) => packageName).join(" ")
  return process.platform === "darwin"
    ? `brew install ${packages}`
    : `sudo apt-get install -y ${packages}`
}
