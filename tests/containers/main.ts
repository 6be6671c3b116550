import { execFileSync, spawn } from "node:child_process"
import { fileURLToPath } from "node:url"

const tests = fileURLToPath(new URL("../", import.meta.url))

/** Why no container can be run; undefined when one can. */
function whatIsMissing(): string | undefined {
  try {
    execFileSync("docker", ["version"], { stdio: "ignore" })
  } catch (error) {
    const { code } = error as { code?: string }
    return code === "ENOENT" ? "there is no docker on this machine" : "no Docker engine answers"
  }
  try {
    execFileSync("docker", ["compose", "version"], { stdio: "ignore" })
    return undefined
  } catch {
    return "docker has no command compose"
  }
}

const missing = whatIsMissing()
if (missing === undefined) {
  const args = ["exec", "vitest", "run", "--config", "containers/vitest.config.ts"]
  const child = spawn("pnpm", [...args, ...process.argv.slice(2)], { cwd: tests, stdio: "inherit" })
  child.on("exit", (code) => {
    process.exitCode = code ?? 1
  })
} else {
  process.stdout.write(
    `SKIPPED: no container was run, and nothing of them is tested: ${missing}.\n`,
  )
}
