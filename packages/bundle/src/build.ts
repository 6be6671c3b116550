import { mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises"
import { join } from "node:path"
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
/** Says what the programs beside it were built from. */
const FINGERPRINT = "built-from"
/** Has the chunks of installed packages. */
const PACKAGES = "packages"

/** Where a program is when it is built, as a path in the repository. */
export function builtPath(program: keyof typeof BUILT_FROM): string {
  return `packages/bundle/dist/${program}.js`
}

/**
 * Builds the programs, each as one module with the chunks that several have in common, unless they
 * are built from what is here now; resolves with whether it did. Several processes may build at once.
 *
 * Throws when a source, or a package that it imports, cannot be read.
 */
export async function build(): Promise<boolean> {
  const fingerprint = fingerprintOf(repository)
  const last = await readFile(join(folder, FINGERPRINT), "utf8").catch(() => undefined)
  if (last === fingerprint) return false
  const chunks = await bundle()
  await mkdir(join(folder, PACKAGES), { recursive: true })
  // A program that starts meanwhile finds what it imports.
  for (const { fileName, code } of chunks.toReversed()) await replace(fileName, code)
  const built = new Set(chunks.map(({ fileName }) => fileName))
  const there = await readdir(folder, { recursive: true })
  const others = there.filter((name) => name.endsWith(".js") && !built.has(name))
  await Promise.all(others.map((name) => rm(join(folder, name), { force: true })))
  await replace(FINGERPRINT, fingerprint)
  return true
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
  await writeFile(`${path}.${process.pid}`, content)
  await rename(`${path}.${process.pid}`, path)
}
