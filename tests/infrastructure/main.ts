import { spawn } from "node:child_process"
import { fileURLToPath } from "node:url"

const HELP = `The system behind and on the servers that shops run, as Debian has them.

  pnpm test:infrastructure [--all] [options and parts of file names of vitest]

  --all    the rows of infrastructure/all as well, which .ci/run leaves out
  --help   this text
`

const tests = fileURLToPath(new URL("../", import.meta.url))
const given = process.argv.slice(2)
if (given.includes("--help")) {
  process.stdout.write(HELP)
} else {
  const args = ["exec", "vitest", "run", "--config", "infrastructure/vitest.config.ts"]
  const child = spawn("pnpm", [...args, ...given.filter((one) => one !== "--all")], {
    cwd: tests,
    stdio: "inherit",
    env: { ...process.env, EVERY_INFRASTRUCTURE_TEST: String(given.includes("--all")) },
  })
  child.on("exit", (code) => {
    process.exitCode = code ?? 1
  })
}
