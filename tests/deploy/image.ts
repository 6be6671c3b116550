import { execFile } from "node:child_process"
import { chmod, cp, mkdir, mkdtemp, readFile, realpath, rm, symlink } from "node:fs/promises"
import { tmpdir } from "node:os"
import { dirname, join, matchesGlob } from "node:path"
import { promisify } from "node:util"
import bundle from "@gofermart/bundle/package.json" with { type: "json" }
import { repository } from "./compose.ts"

const run = promisify(execFile)

/** `nobody`, which every system has; the image's own user is as little. */
const UNPRIVILEGED_ID = 65_534

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
 * Lays out the files that the Dockerfile's image would have: what it copies, and of the packages that
 * are installed here those that the built programs ask for. Nothing is downloaded.
 */
export async function layOutImage(): Promise<Image> {
  const folder = await mkdtemp(join(tmpdir(), "gofermart-image-"))
  await chmod(folder, 0o755)
  for (const path of ["deploy/stoppable.sh", "packages/bundle/dist", "prisma/migrations"]) {
    await cp(join(repository, path), join(folder, path), { recursive: true })
  }
  const manifest = "packages/bundle/package.json"
  await cp(join(repository, manifest), join(folder, manifest))
  for (const name of Object.keys(bundle.dependencies)) {
    const link = join(folder, "packages/bundle/node_modules", name)
    await mkdir(dirname(link), { recursive: true })
    await symlink(await realpath(join(repository, "packages/bundle/node_modules", name)), link)
  }
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
