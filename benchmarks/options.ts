import { parseArgs } from "node:util"
import { reasonOf } from "@gofermart/shared/runtime/reason-of.ts"
import type { Extent } from "./fixtures/fixture.ts"
import { scenarios } from "./scenarios/index.ts"
import type { Scenario } from "./scenarios/scenario.ts"

export interface BenchOptions {
  command: "bench"
  chosen: Scenario[]
  extent: Extent
  /** Of the files that the results are kept in. */
  name: "quick" | "long" | "ordinary"
  keepsEarlier: boolean
}

export interface PeersOptions {
  command: "peers"
  extent: Omit<Extent, "uploadsPerS">
  urls: [URL, URL]
  /** Of the processes that answer at the URLs; none where they run elsewhere. */
  pids: number[]
  connections: number
  /** Uploads offered a second; without it, as many as are answered. */
  uploadsPerS: number | undefined
}

const ORDINARY = { rounds: 10, seconds: 3 }
const QUICK = { rounds: 2, seconds: 0.5 }
const UPLOADS_PER_S_DEFAULT = 1_000
const UPLOADS_PER_S_MAX = 100_000
const CONNECTIONS_DEFAULT = 64
const CONNECTIONS_MAX = 1_000

export const HELP = `Measures speed as ratios: things that are compared run side by side, ${ORDINARY.rounds} times in turn.

  pnpm bench [options] [scenario …]
  pnpm bench peers --url A --url B [options]

  --quick         ${QUICK.rounds} rounds of ${QUICK.seconds} s instead of ${ORDINARY.rounds} of ${ORDINARY.seconds} s: to see that it works, and what has moved
                  since docs/PERFORMANCE.md was written
  --long          the scenarios that take long; what an earlier run has measured is not measured again
  --again         with --long: measure all of it again
  --rate N        of open-loop and peers: uploads offered a second   (open-loop: ${UPLOADS_PER_S_DEFAULT})
  --help          this text

It starts everything that it needs on this machine and ends it. Results and a plot of them go to
benchmarks/results, which git ignores. Ctrl-C ends it early; what is not measured by then is said to be
cut short.

peers compares any two implementations of the contract's uploads, which must be running. It makes
customers and orders in both, which stay, and prints what it measured.

  --url URL       of an implementation; twice, and one of them may be given twice
  --pid N         its process, to measure the CPU time of; twice, or not at all
  --connections N at most ${CONNECTIONS_MAX}   (${CONNECTIONS_DEFAULT})

Scenarios:
${scenarios.map(({ name, about, isLong }) => `  ${name.padEnd(16)}${about}${isLong ? " (long)" : ""}`).join("\n")}
`

/** What cannot be done as it was asked for, in a sentence. */
export class UsageError extends Error {
  override name = "UsageError"
}

/** Reads the command line; undefined when only the help is asked for. Throws a `UsageError`. */
export function readOptions(args: string[]): BenchOptions | PeersOptions | undefined {
  const { values, positionals } = parsed(args)
  if (values.help) return undefined
  const rounds = values.quick ? QUICK : ORDINARY
  const uploadsPerS = readCount("--rate", values.rate, UPLOADS_PER_S_MAX)
  const [first, ...others] = positionals
  if (first === "peers") {
    if (others.length > 0) throw new UsageError(`peers takes no ${others.join(", ")}.`)
    if (values.long || values.again) throw new UsageError("peers takes no --long and no --again.")
    return {
      command: "peers",
      extent: rounds,
      urls: readUrls(values.url),
      pids: readPids(values.pid),
      connections:
        readCount("--connections", values.connections, CONNECTIONS_MAX) ?? CONNECTIONS_DEFAULT,
      uploadsPerS,
    }
  }
  const ofPeers = [values.url, values.pid, values.connections].some((given) => given !== undefined)
  if (ofPeers) throw new UsageError("--url, --pid and --connections are options of peers.")
  const unknown = positionals.filter((name) => !scenarios.some((known) => known.name === name))
  if (unknown.length > 0) throw new UsageError(`There is no scenario ${unknown.join(", ")}.`)
  const isChosen = ({ name, isLong }: Scenario) =>
    positionals.length > 0 ? positionals.includes(name) : isLong === values.long
  return {
    command: "bench",
    chosen: scenarios.filter(isChosen),
    extent: { ...rounds, uploadsPerS: uploadsPerS ?? UPLOADS_PER_S_DEFAULT },
    name: values.quick ? "quick" : values.long ? "long" : "ordinary",
    keepsEarlier: values.long && !values.again,
  }
}

function parsed(args: string[]) {
  try {
    return parseArgs({
      args,
      allowPositionals: true,
      options: {
        quick: { type: "boolean", default: false },
        long: { type: "boolean", default: false },
        again: { type: "boolean", default: false },
        rate: { type: "string" },
        url: { type: "string", multiple: true },
        pid: { type: "string", multiple: true },
        connections: { type: "string" },
        help: { type: "boolean", short: "h", default: false },
      },
    })
  } catch (error) {
    throw new UsageError(reasonOf(error))
  }
}

function readCount(option: string, text: string | undefined, max: number): number | undefined {
  if (text === undefined) return undefined
  const count = /^[0-9]+$/.test(text) ? Number(text) : 0
  if (count >= 1 && count <= max) return count
  throw new UsageError(`${option} must be a whole number from 1 to ${max}.`)
}

function readUrls(texts: string[] = []): [URL, URL] {
  const [one, other, ...more] = texts.map((text) => {
    const url = URL.canParse(text) ? new URL(text) : undefined
    const isHttp = url?.protocol === "http:" || url?.protocol === "https:"
    const rest = url === undefined ? "" : url.username + url.password + url.search + url.hash
    if (url !== undefined && isHttp && rest === "") return url
    throw new UsageError(
      "--url must be an address such as http://127.0.0.1:8080, without a user or a query.",
    )
  })
  if (one !== undefined && other !== undefined && more.length === 0) return [one, other]
  throw new UsageError("peers needs --url twice.")
}

function readPids(texts: string[] = []): number[] {
  const pids = texts.map((text) => readCount("--pid", text, 2 ** 31 - 1) ?? 0)
  const gone = pids.find((pid) => !isRunning(pid))
  if (gone !== undefined) throw new UsageError(`There is no process ${gone}.`)
  if (pids.length === 0 || pids.length === 2) return pids
  throw new UsageError("--pid must be given twice, or not at all.")
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch (error) {
    // It is another user's.
    return (error as NodeJS.ErrnoException).code === "EPERM"
  }
}
