import { execFile } from "node:child_process"
import { readFile, writeFile } from "node:fs/promises"
import { promisify } from "node:util"
import { releaseChangelog } from "./changelog.ts"

const HELP = `Makes a release of the repository that it is called in: a commit and a tag. It pushes nothing.

  pnpm release X.Y.Z

What CHANGELOG.md has under "Unreleased" goes under the version and today's date (UTC), and every package
of the workspace gets the version. It refuses when something is not committed, when the tag exists, when
the version is lower than the present one, and when nothing is unreleased; then nothing has changed.
`

const VERSION = /^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)$/
/** A manifest's own version: that of nothing inside it has so few spaces before it. */
const MANIFEST_VERSION = /^ {2}"version": "([^"]*)"/m

const run = promisify(execFile)

const [version = ""] = process.argv.slice(2)
if (!VERSION.test(version)) {
  process.stdout.write(HELP)
  process.exit(version === "--help" || version === "-h" ? 0 : 1)
}
try {
  await release(version)
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = 1
}

async function release(next: string): Promise<void> {
  const tag = `v${next}`
  if ((await git("status", "--porcelain")) !== "") throw new Error("Commit your changes first.")
  if ((await git("tag", "--list", tag)) !== "") throw new Error(`The tag ${tag} exists.`)
  const present = MANIFEST_VERSION.exec(await readFile("package.json", "utf8"))?.[1] ?? ""
  if (isLower(next, present)) throw new Error(`${next} is lower than the present ${present}.`)
  const today = new Date().toISOString().slice(0, "YYYY-MM-DD".length)
  const { changelog, notes } = releaseChangelog(await readFile("CHANGELOG.md", "utf8"), next, today)

  await writeFile("CHANGELOG.md", changelog)
  const manifests = await git("ls-files", "package.json", "*/package.json")
  for (const file of manifests.split("\n")) await setVersion(file, next)
  await git("commit", "--all", "--quiet", "--message", `chore(release): ${next}`)
  // The notes have headings, which git would take for comments.
  await git("tag", "--annotate", "--cleanup=verbatim", "--message", `${tag}\n\n${notes}\n`, tag)
  process.stdout.write(`Committed and tagged as ${tag}. To publish it: git push --follow-tags\n`)
}

async function setVersion(file: string, next: string): Promise<void> {
  const manifest = await readFile(file, "utf8")
  if (!MANIFEST_VERSION.test(manifest)) throw new Error(`${file} has no version.`)
  await writeFile(file, manifest.replace(MANIFEST_VERSION, `  "version": "${next}"`))
}

function isLower(next: string, than: string): boolean {
  const [a, b] = [next, than].map((one) => one.split(".").map(Number))
  const difference = a?.map((part, i) => part - (b?.[i] ?? 0)).find((part) => part !== 0)
  return (difference ?? 0) < 0
}

/** Throws what git says when it fails. */
async function git(...args: string[]): Promise<string> {
  const { stdout } = await run("git", args)
  return stdout.trim()
}
