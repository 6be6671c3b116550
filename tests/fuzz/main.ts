import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { parseArgs } from "node:util"
import { startChild } from "@gofermart/local-stack/child.ts"
import { compileCacheEnv } from "@gofermart/local-stack/compile-cache.ts"
import { startPostgres } from "@gofermart/local-stack/postgres.ts"
import { openDatabase } from "@gofermart/shared/db/client.ts"
import { migrate } from "@gofermart/shared/migrate/migrate.ts"
import { SingleBar } from "cli-progress"
import { lastLines } from "../harness/logs.ts"
import type { OpenApi } from "../harness/openapi.ts"
import { TEST_SERVER_SETTINGS } from "../harness/server-settings.ts"
import { TEST_SETTINGS } from "../harness/settings.ts"
import { fuzz, FUZZED_SETTINGS, type FuzzReport } from "./fuzz.ts"

const HELP = `Sends the API requests of every kind that can be made from its own description: valid ones, their limits,
and ones with something made different in them, from a number's form to the bytes on the connection. Checks
that every answer is as described, that nobody sees what is another's, and that all is well afterwards.

  pnpm test:fuzz [options]

  --requests N    how many                                  (20000)
  --seed N        the same requests again                   (a random one, printed)
  --path PATH     with the seed of a finding: this one again, made as small as it can be
  --help          this text

Everything runs on this machine, on servers of its own. Each finding comes with its request, as curl or as
bytes. Exits with 1 when there are any.
`
const REQUESTS_MAX = 100_000_000
const SEED_MAX = 0x7fffff00

const say = (line: string) => process.stdout.write(`${line}\n`)

interface Options {
  requests: number
  seed: number
  path: string | undefined
}

Object.assign(process.env, compileCacheEnv())
const options = readOptions()
if (options === undefined) say(HELP)
else process.exitCode = await run(options)

function readOptions(): Options | undefined {
  const { values } = parseArgs({
    options: {
      requests: { type: "string", default: "20000" },
      seed: { type: "string", default: String(Math.floor(Math.random() * SEED_MAX)) },
      path: { type: "string" },
      help: { type: "boolean", short: "h", default: false },
    },
  })
  if (values.help) return undefined
  const requests = Number(values.requests)
  const seed = Number(values.seed)
  const isUsable =
    Number.isInteger(requests) &&
    requests > 0 &&
    requests <= REQUESTS_MAX &&
    Number.isInteger(seed) &&
    seed >= 0 &&
    seed <= SEED_MAX
  if (!isUsable) {
    say(HELP)
    process.exit(1)
  }
  return { requests, seed, path: values.path }
}

async function run({ requests, seed, path }: Options): Promise<number> {
  say(`${requests} requests. To send the same ones again: --seed ${seed}\n`)
  await using resources = new AsyncDisposableStack()
  const folder = await mkdtemp(join(tmpdir(), "gofermart-fuzz-"))
  resources.defer(() => rm(folder, { recursive: true }))
  const postgres = await startPostgres(join(folder, "postgres"), TEST_SERVER_SETTINGS)
  resources.defer(() => postgres.stop("immediate"))
  await postgres.createDatabase("gofermart")
  const databaseUrl = postgres.url("gofermart")
  await migrate(databaseUrl)
  const settings = { ...TEST_SETTINGS, ...FUZZED_SETTINGS, DATABASE_URL: databaseUrl }
  const log = join(folder, "api.log")
  const api = await startChild("api", settings, log)
  resources.defer(async () => void (await api.stop()))
  // Whatever is sent, it does not end; and why it did is in its last lines.
  void api.exited.then((code) => {
    if (resources.disposed) return
    say(`\nThe API has ended with ${code}.\n${lastLines(log)}`)
    process.exit(1)
  })
  const { url: apiUrl = "", operatorsUrl = "" } = api.details
  const database = openDatabase(databaseUrl, "fuzz", {
    connectionsMax: 10,
    connectTimeoutMs: 10_000,
    statementTimeoutMs: 120_000,
  })
  resources.defer(() => database.$disconnect())
  const described = await fetch(`${apiUrl}/openapi.json`)
  const bar = new SingleBar({
    format: "[{bar}] {value} of {total}",
    noTTYOutput: true,
    notTTYSchedule: 10_000,
  })
  bar.start(requests, 0)
  const report = await fuzz({
    apiUrl,
    operatorsUrl,
    databaseUrl,
    database,
    openapi: (await described.json()) as OpenApi,
    requests,
    seed,
    path,
    stalls: path === undefined,
    onProgress: (sent) => bar.update(Math.min(sent, requests)),
  })
  bar.stop()
  return summarise(report)
}

function summarise({ tallies, findings }: FuzzReport): number {
  const cell = (value: string | number) => String(value).padStart(10)
  say(`\n${cell("sent")}${cell("succeeded")}`)
  for (const [name, { sent, succeeded }] of tallies) say(`${cell(sent)}${cell(succeeded)}  ${name}`)
  for (const finding of findings) say(`\n${finding}`)
  say(`\n${findings.length} findings`)
  return findings.length === 0 ? 0 : 1
}
