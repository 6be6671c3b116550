import { spawn } from "node:child_process"
import { once } from "node:events"
import { fileURLToPath } from "node:url"

const HELP = `The system behind and on the servers that shops run, as Debian has them.

  pnpm test:infrastructure [--all] [options and parts of file names of vitest]

  --all    the rows of infrastructure/all as well, which .ci/run leaves out
  --help   this text
`

/** One after the other: each has a server of its own, and Prisma's engine is in a process once. */
const PROJECTS = ["servers", "pooled"]

const tests = fileURLToPath(new URL("../", import.meta.url))
const given = process.argv.slice(2)
if (given.includes("--help")) process.stdout.write(HELP)
else for (const project of PROJECTS) process.exitCode = (await run(project)) || process.exitCode

async function run(project: string): Promise<number> {
  const args = ["exec", "vitest", "run", "--config", "infrastructure/vitest.config.ts"]
  const chosen = ["--project", project, "--passWithNoTests", ...given.filter(isForVitest)]
  const child = spawn("pnpm", [...args, ...chosen], {
    cwd: tests,
    stdio: "inherit",
    env: { ...process.env, EVERY_INFRASTRUCTURE_TEST: String(given.includes("--all")) },
  })
  const [code] = (await once(child, "exit")) as [number | null]
  return code ?? 1
}

function isForVitest(argument: string): boolean {
  return argument !== "--all"
}
