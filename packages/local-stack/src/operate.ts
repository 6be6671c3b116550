import { buildProgram } from "@gofermart/operator/program.ts"
import { withContractNames } from "@gofermart/shared/runtime/env.ts"
import { readRunning } from "./data-folder.ts"

/** The operators' commands, on the stack that runs here unless the environment names a database. */
const isGiven = withContractNames(process.env)["DATABASE_URL"] !== undefined
const running = isGiven ? undefined : await readRunning()
const env =
  running === undefined
    ? process.env
    : {
        ...process.env,
        DATABASE_URL: running.databaseUrl,
        QUEUE_URL: running.queueUrl,
        SCORING_URL: running.scoringUrl,
      }
await buildProgram(env).parseAsync()
