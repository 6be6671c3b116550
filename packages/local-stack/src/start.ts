import { randomInt } from "node:crypto"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { withCheckDigit } from "@gofermart/shared/domain/order-number.ts"
import { ConfigError, EXIT_CONFIG } from "@gofermart/shared/runtime/env.ts"
import { exitWhenWritten, onReaderGone } from "@gofermart/shared/runtime/exit.ts"
import { reasonOf } from "@gofermart/shared/runtime/reason-of.ts"
import {
  dataFolder,
  lockDataFolder,
  logsFolder,
  removeRunning,
  unlockDataFolder,
  writeRunning,
} from "./data-folder.ts"
import { onLauncherGone } from "./launcher.ts"
import { HELP, readOptions, type StartOptions } from "./options.ts"
import { announceOrder } from "./simulator-client.ts"
import { type Stack, startStack } from "./stack.ts"
import { whatIsNoSetting } from "./unknown-settings.ts"

const say = (line: string) => process.stdout.write(`${line}\n`)
const closers: (() => Promise<unknown>)[] = []
let stopping = false
let starting: Promise<unknown> = Promise.resolve()

async function stop(code: number): Promise<never> {
  if (stopping) return new Promise<never>(() => {})
  stopping = true
  // What is being started now is there to be stopped only when it has started.
  await starting.catch(() => {})
  for (const close of closers.toReversed()) {
    await close().catch((error: unknown) => say(`  ${String(error)}`))
  }
  return exitWhenWritten(code)
}

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.on(signal, () => {
    if (!stopping) say("\nStopping.")
    void stop(0)
  })
}

onLauncherGone(() => void stop(0))
onReaderGone((code) => void stop(code))

try {
  const options = readOptions(process.argv.slice(2), process.env)
  if (options === undefined) say(HELP)
  else await run(options)
} catch (error) {
  if (error instanceof ConfigError) {
    process.stderr.write(`${error.message}\n`)
    await stop(EXIT_CONFIG)
  }
  say(reasonOf(error))
  await stop(1)
}

async function run(options: StartOptions): Promise<void> {
  await lockDataFolder()
  closers.push(unlockDataFolder, removeRunning)
  for (const warning of whatIsNoSetting(process.env)) process.stderr.write(`  ${warning}\n`)
  const simulated = options.scoringUrl === undefined
  const onClose = (close: () => Promise<unknown>) => closers.push(close)
  const start = startStack(options, process.env, onClose, (step) => say(`  ${step}`))
  starting = start
  const stack = await start
  if (stopping) return
  const { children, ...started } = stack
  await writeRunning({ pid: process.pid, ...started, simulated })
  for (const child of children) {
    void child.exited.then((code) => {
      if (stopping) return
      say(`Process ${child.pid} ended by itself with ${code ?? "a signal"}; see ${logsFolder}.`)
      void stop(1)
    })
  }
  await greet(options, stack)
}

async function greet(options: StartOptions, stack: Stack): Promise<void> {
  const queue = options.queueUrl === undefined ? "in the database" : "as given"
  const database = options.databaseUrl === undefined ? `embedded, in ${dataFolder}` : "as given"
  const scoring = options.scoringUrl === undefined ? " (simulator)" : ""
  const number = withCheckDigit(String(randomInt(1e11, 1e12)))
  if (scoring !== "") await announceOrder(stack.scoringUrl, number)
  const login = `anna-${randomInt(1e6)}`
  const cookies = join(tmpdir(), `gofermart-${login}`)
  say(`
Gofermart is running.

  API        ${stack.apiUrl}
  Try it     ${stack.apiUrl}/docs
  Board      ${stack.operatorsUrl}
  Metrics    ${[stack.operatorsUrl, ...stack.workerUrls].map((url) => `${url}/metrics`).join(" ")}
  Scoring    ${stack.scoringUrl}${scoring}
  Database   ${database}; the queue is ${queue}
  Workers    ${options.workers}
  Logs       ${logsFolder}

Try it in another terminal: register, upload an order and wait for what it earns,
look at the balance.

  curl -c ${cookies} -H 'Content-Type: application/json' -d '{"login":"${login}","password":"correct horse"}' -w '\\n' ${stack.apiUrl}/api/user/register
  curl -b ${cookies} -H 'Content-Type: text/plain' -H 'Prefer: wait=10' -d ${number} -w '\\n' ${stack.apiUrl}/api/user/orders
  curl -b ${cookies} -w '\\n' ${stack.apiUrl}/api/user/balance

Ctrl-C stops everything; what you did is kept.`)
}
