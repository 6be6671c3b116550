import { execFile } from "node:child_process"
import { globSync, readFileSync, statSync } from "node:fs"
import { chmod, cp, mkdir, mkdtemp, readFile, realpath, rm, symlink } from "node:fs/promises"
import { tmpdir } from "node:os"
import { basename, dirname, join, matchesGlob, relative } from "node:path"
import { promisify } from "node:util"
import { repository } from "./compose.ts"

const run = promisify(execFile)

/** `nobody`, which every system has; the image's own user is as little. */
const UNPRIVILEGED_ID = 65_534

/** Large, and none of them in an image. */
const PASSED_OVER = ["node_modules", ".git", ".data", ".turbo"]

/** Files that may lie in a checkout, among its sources too, and that are for no image. */
export const NOT_FOR_IMAGES = [
  ".env",
  ".env.production",
  ".git/config",
  ".npmrc",
  "backups/db.sql",
  "gofermart.dump",
  "id_rsa",
  "packages/shared/src/.env.production",
  "packages/shared/src/db/backup.sql",
  "prisma/backup.sql",
  "prisma/migrations/backup.sql",
  "prisma/migrations/20261122000000_ledger/backup.sql",
  "services/api/.env",
  "services/api/src/.env.production",
  "services/api/src/key.pem",
]

export interface Image {
  folder: string
  remove(): Promise<void>
}

/**
 * Lays out the files that the Dockerfile's image would have: what .dockerignore lets through, the
 * generated client, and of the packages that are installed here those that the production stage
 * would install, each for the package that asks for it. Nothing is downloaded.
 */
export async function layOutImage(): Promise<Image> {
  const folder = await mkdtemp(join(tmpdir(), "gofermart-image-"))
  await chmod(folder, 0o755)
  const isIgnored = await readIgnored()
  await cp(repository, folder, {
    recursive: true,
    filter: (source) =>
      statSync(source).isDirectory()
        ? !PASSED_OVER.includes(basename(source))
        : !isIgnored(relative(repository, source)),
  })
  const generated = "packages/shared/src/db/generated"
  await cp(join(repository, generated), join(folder, generated), { recursive: true })
  await linkDependencies(folder)
  return { folder, remove: () => rm(folder, { recursive: true }) }
}

/**
 * Whether .dockerignore keeps a file out. Of several patterns that match it, or a folder that it is in, the
 * last one decides.
 */
export async function readIgnored(): Promise<(path: string) => boolean> {
  const text = await readFile(join(repository, ".dockerignore"), "utf8")
  const patterns = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"))
  return (path) => {
    const parts = path.split("/")
    const paths = parts.map((_, i) => parts.slice(0, i + 1).join("/"))
    const last = patterns.findLast((pattern) =>
      // matchesGlob has no names with a dot in front for **, Docker has.
      paths.some((one) => pattern === "**" || matchesGlob(one, pattern.replace(/^!/, ""))),
    )
    return last !== undefined && !last.startsWith("!")
  }
}

interface Package {
  folder: string
  name: string
  dependencies?: Record<string, string>
}

async function linkDependencies(image: string): Promise<void> {
  const packages = globSync(["packages/*", "services/*"], { cwd: repository }).map((folder) => {
    const manifest = readFileSync(join(repository, folder, "package.json"), "utf8")
    return { ...(JSON.parse(manifest) as Omit<Package, "folder">), folder }
  })
  const installed = new Set(packages.filter(await readFilters()))
  // A set's loop also comes to what is added during it.
  for (const { folder, dependencies = {} } of installed) {
    for (const [name, version] of Object.entries(dependencies)) {
      const link = join(image, folder, "node_modules", name)
      const own = version.startsWith("workspace:")
        ? packages.find((other) => other.name === name)
        : undefined
      if (own !== undefined) installed.add(own)
      await mkdir(dirname(link), { recursive: true })
      await symlink(
        own === undefined
          ? await realpath(join(repository, folder, "node_modules", name))
          : join(image, own.folder),
        link,
      )
    }
  }
}

/** What the Dockerfile's production stage installs; `...` stands for what a package depends on. */
async function readFilters(): Promise<(candidate: Package) => boolean> {
  const dockerfile = await readFile(join(repository, "Dockerfile"), "utf8")
  const filters = [...dockerfile.matchAll(/--filter "([^"]+)\.\.\."/g)].map(
    ([, filter = ""]) => filter,
  )
  return ({ folder, name }) =>
    filters.some((filter) => filter === name || matchesGlob(`./${folder}`, filter))
}

/**
 * Who runs the image's processes: `nobody`, when root runs the tests and `nobody` can get at what is
 * installed here, which it cannot below a home of mode 0700; else who runs the tests.
 */
export async function imageUser(): Promise<{ uid: number; gid: number } | undefined> {
  if (process.getuid?.() !== 0) return undefined
  const nobody = { uid: UNPRIVILEGED_ID, gid: UNPRIVILEGED_ID }
  const look = `fs.readFileSync(${JSON.stringify(join(repository, "package.json"))})`
  return run(process.execPath, ["-e", look], { ...nobody, cwd: "/" }).then(
    () => nobody,
    () => undefined,
  )
}
