import { runProgram } from "@gofermart/operator/program.ts"
import { readConfigOrExit } from "@gofermart/shared/runtime/config-exit.ts"
import { EXIT_CONFIG, isGiven, withSettings } from "@gofermart/shared/runtime/env.ts"
import { judgeDataFolder, readRunning } from "./data-folder.ts"

/** The operators' commands, on the stack that runs here unless the environment names a database. */
readConfigOrExit(judgeDataFolder)
const running = isGiven(process.env, "DATABASE_URL") ? undefined : await readRunning()
const env =
  running === undefined
    ? process.env
    : withSettings(process.env, {
        DATABASE_URL: running.databaseUrl,
        DATABASE_PASSWORD: undefined,
        QUEUE_URL: running.queueUrl,
        QUEUE_PREFIX: undefined,
        SCORING_URL: running.scoringUrl,
      })
// Most who lack the setting have forgotten to start.
process.once("exit", (code) => {
  if (code !== EXIT_CONFIG || running !== undefined || isGiven(env, "DATABASE_URL")) return
  process.stderr.write("  No system runs here to take it from: npx -y pnpm@12 start starts one.\n")
})
await runProgram(env)
