import { execFile } from "node:child_process"
import { createHash } from "node:crypto"
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { promisify } from "node:util"
import { parse, stringify } from "yaml"
import { atFileEnd } from "../harness/at-end.ts"

const run = promisify(execFile)
const repository = join(import.meta.dirname, "../..")
const NAME = "@gofermart/client"
const TARBALL = "client.tgz"

interface Lockfile {
  lockfileVersion: string
  settings: unknown
  importers: Record<
    string,
    { dependencies?: Record<string, { specifier: string; version: string }> }
  >
  packages: Record<string, unknown>
  snapshots: Record<string, { dependencies?: Record<string, string> }>
}

/**
 * Packs the client as it would be published, and installs it into an empty project outside of the
 * repository, which is removed at the file's end. Resolves with its folder. Nothing is downloaded: what
 * the client depends on comes out of pnpm's store, at the versions of the repository's lockfile.
 */
export async function installPackedClient(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "gofermart-consumer-"))
  atFileEnd(() => rm(folder, { recursive: true }))
  const tarball = join(folder, TARBALL)
  await run("pnpm", ["--filter", NAME, "pack", "--out", tarball], { cwd: repository })
  const { storeDir } = parse(
    await readFile(join(repository, "node_modules/.modules.yaml"), "utf8"),
  ) as { storeDir: string }
  const manifest = { private: true, type: "module", dependencies: { [NAME]: `file:${TARBALL}` } }
  await writeFile(join(folder, "package.json"), JSON.stringify(manifest))
  await writeFile(join(folder, "pnpm-lock.yaml"), stringify(await lockfileFor(tarball)))
  // To know a version's age, pnpm would ask the registry.
  const alone = ["--offline", "--frozen-lockfile", "--config.minimum-release-age=0"]
  await run("pnpm", ["install", ...alone, "--store-dir", storeDir], { cwd: folder })
  return folder
}

/** The lockfile of a project with nothing but the client, taken from the repository's. */
async function lockfileFor(tarball: string): Promise<Lockfile> {
  const whole = parse(await readFile(join(repository, "pnpm-lock.yaml"), "utf8")) as Lockfile
  const integrity = `sha512-${createHash("sha512")
    .update(await readFile(tarball))
    .digest("base64")}`
  const own = whole.importers["packages/client"]?.dependencies ?? {}
  const dependencies = Object.fromEntries(
    Object.entries(own).map(([name, { version }]) => [name, version]),
  )
  const version = `file:${TARBALL}`
  const id = `${NAME}@${version}`
  const ids = withDependencies(whole, dependencies)
  return {
    lockfileVersion: whole.lockfileVersion,
    settings: whole.settings,
    importers: { ".": { dependencies: { [NAME]: { specifier: version, version } } } },
    packages: {
      [id]: { resolution: { integrity, tarball: version }, version: "0.0.0" },
      ...pick(whole.packages, ids),
    },
    snapshots: { [id]: { dependencies }, ...pick(whole.snapshots, ids) },
  }
}

/** The keys in the lockfile of these packages, and of all that they depend on. */
function withDependencies(lockfile: Lockfile, dependencies: Record<string, string>): string[] {
  return Object.entries(dependencies).flatMap(([name, version]) => {
    const id = `${name}@${version}`
    return [id, ...withDependencies(lockfile, lockfile.snapshots[id]?.dependencies ?? {})]
  })
}

function pick<Value>(from: Record<string, Value>, keys: string[]): Record<string, Value> {
  return Object.fromEntries(Object.entries(from).filter(([key]) => keys.includes(key)))
}
