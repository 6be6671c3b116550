import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises"
import { join, relative } from "node:path"
import { fileURLToPath } from "node:url"
import packageJson from "../package.json" with { type: "json" }
import { fingerprintOf } from "./fingerprint.ts"

/** The programs that are deployed, and the source that each begins with. */
export const BUILT_FROM = {
  api: "services/api/src/main.ts",
  worker: "services/accrual-worker/src/main.ts",
  simulator: "packages/scoring-simulator/src/main.ts",
  gofermart: "packages/operator/src/main.ts",
  migrate: "packages/shared/src/migrate/main.ts",
} as const

const repository = fileURLToPath(new URL("../../../", import.meta.url))
const folder = fileURLToPath(new URL("../dist/", import.meta.url))
/** Says what was built from what: the sources' fingerprint, then each file with its size. */
const MANIFEST = "manifest"
/** Has the chunks of installed packages. */
const PACKAGES = "packages"

/** Where a program is when it is built, as a path in the repository. */
export function builtPath(program: keyof typeof BUILT_FROM): string {
  return `packages/bundle/dist/${program}.js`
}

/**
 * Builds the programs, each as one module with the chunks that several have in common, unless they
 * are built from what is here now; resolves with whether it did. Several processes may build at once:
 * should their sources differ, the next one finds that what is there does not belong together.
 *
 * Throws when a source, or a package that it imports, cannot be read, or `dist` cannot be written.
 */
export async function build(): Promise<boolean> {
  const fingerprint = fingerprintOf(repository)
  if (await isBuilt(fingerprint)) return false
  const chunks = await bundle()
  try {
    await mkdir(join(folder, PACKAGES), { recursive: true })
    // A program that starts meanwhile finds what it imports.
    for (const { fileName, code } of chunks.toReversed()) await replace(fileName, code)
    const sizes = chunks.map(({ fileName, code }) => `${Buffer.byteLength(code)} ${fileName}`)
    await replace(MANIFEST, [fingerprint, ...sizes].join("\n"))
    await removeOthers(new Set([MANIFEST, ...chunks.map(({ fileName }) => fileName)]))
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    throw new Error(
      `packages/bundle/dist cannot be written (${code}); who owns it can: npx -y pnpm@12 build`,
      { cause: error },
    )
  }
  return true
}

/** Whether everything is there that was built from this. */
async function isBuilt(fingerprint: string): Promise<boolean> {
  const manifest = await readFile(join(folder, MANIFEST), "utf8").catch(() => "")
  const [from, ...files] = manifest.split("\n")
  if (from !== fingerprint) return false
  const areThere = files.map(async (line) => {
    const [, size, name = ""] = /^(\d+) (.*)$/.exec(line) ?? []
    const found = await stat(join(folder, name)).catch(() => undefined)
    return found?.size === Number(size)
  })
  return (await Promise.all(areThere)).every(Boolean)
}

async function bundle() {
  const { rolldown } = await import("rolldown")
  await using bundler = await rolldown({
    cwd: repository,
    input: BUILT_FROM,
    platform: "node",
    // They have files of their own to read, to load or to run.
    external: Object.keys(packageJson.dependencies).map((name) => new RegExp(`^${name}(/|$)`)),
    // What else asks for its place only names it in an error.
    transform: { define: { __dirname: "import.meta.dirname", __filename: "import.meta.filename" } },
    onLog(_level, { code, message }) {
      // Bull Board looks for its pages so where it is not told where they are.
      if (code !== "EVAL") throw new Error(message)
    },
  })
  const { output } = await bundler.generate({
    format: "esm",
    // Apart from ours, which change more often and are read in a stack trace.
    codeSplitting: { groups: [{ name: PACKAGES, test: /node_modules/, entriesAware: true }] },
    chunkFileNames: ({ name }) =>
      name.startsWith(PACKAGES) ? `${PACKAGES}/[name]-[hash].js` : "[name]-[hash].js",
  })
  return output.filter((file) => file.type === "chunk")
}

/** Leaves a file alone that is the same; nobody reads half of another. */
async function replace(name: string, content: string): Promise<void> {
  const path = join(folder, name)
  const there = await readFile(path, "utf8").catch(() => undefined)
  if (there === content) return
  const written = `${path}.${process.pid}`
  try {
    await writeFile(written, content)
    await rename(written, path)
  } finally {
    await rm(written, { force: true })
  }
}

/** Removes what is not of this build, but what another process is writing. */
async function removeOthers(built: Set<string>): Promise<void> {
  const files = await readdir(folder, { recursive: true, withFileTypes: true })
  for (const { parentPath, name } of files.filter((file) => file.isFile())) {
    const path = join(parentPath, name)
    const writer = /\.(\d+)$/.exec(name)?.[1]
    const isWritten = writer !== undefined && isAlive(Number(writer))
    if (!built.has(relative(folder, path)) && !isWritten) await rm(path, { force: true })
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM"
  }
}
