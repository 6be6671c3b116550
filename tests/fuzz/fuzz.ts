import type { Database } from "@gofermart/shared/db/client.ts"
import { verifyLedger } from "@gofermart/shared/ledger/verify.ts"
import * as fc from "fast-check"
import { Description } from "../harness/description.ts"
import type { OpenApi } from "../harness/openapi.ts"
import { type Aim, aimsOf } from "./aim.ts"
import { changesFor, lookAt, pagesOf } from "./bystander.ts"
import { type Case, casesOf, draftOf, typicalCasesOf } from "./cases.ts"
import { knownTo, type KnownThings } from "./known.ts"
import { Lane } from "./lane.ts"
import { operatorAims } from "./operators.ts"
import { People } from "./people.ts"
import { show } from "./show.ts"
import { stalledFindings } from "./stalled.ts"

/** Requests that are under way at once. */
const LANES = 8
/** Answers of its success status that every operation must have had. */
const SUCCESSES_MIN = 20
/** How often those that are missing are asked for. */
const ROUNDS_MAX = 3
/** Each of their requests costs a password's hash, or several: as much as many others. */
const COSTLY = ["registerUser", "logIn", "changePassword"]
const WEIGHT_OF_OTHERS = 8
/** A request that was found is made smaller for so long. */
const SHRINKING_MAX_MS = 20_000

/** What the API is to be told, since a customer of the fuzzer's does more than any other. */
export const FUZZED_SETTINGS = {
  LOGIN_FAILURES_MAX: "1000000",
  LOGIN_FAILURES_PER_ADDRESS_MAX: "1000000",
  REGISTRATIONS_PER_ADDRESS_MAX: "1000000",
  UNFINISHED_ORDERS_MAX: "100000000",
}

export interface FuzzOptions {
  apiUrl: string
  operatorsUrl: string
  /** For the route table of the operators' listener. */
  databaseUrl: string
  database: Database
  openapi: OpenApi
  /** How many; those that are needed for every operation's successes come on top. */
  requests: number
  seed: number
  /** Of one request that was found with this seed: it is sent again, and nothing else. */
  path?: string | undefined
  /** Whether requests that never end are sent as well: the server waits for their ends. */
  stalls: boolean
  /** Told of the requests sent so far. */
  onProgress?: (sent: number) => void
}

interface Tally {
  sent: number
  succeeded: number
  /** How often each other status was answered; 0 without an answer. */
  others: Map<number, number>
}

export interface FuzzReport {
  /** By operation and route. */
  tallies: Map<string, Tally>
  /** In words, each with its request. */
  findings: string[]
}

/** A lane, and what is drawn for it. */
interface Source {
  lane: Lane
  seed: number
  known: KnownThings
}

/**
 * Sends requests of every kind that can be made from the API's description, judges their answers, and
 * in the end what became of a customer who has sent none of them. What is drawn depends on the seed
 * alone.
 */
export async function fuzz(options: FuzzOptions): Promise<FuzzReport> {
  const { apiUrl, operatorsUrl, database, databaseUrl, openapi, path } = options
  const aims = [...aimsOf(openapi), ...(await operatorAims(databaseUrl))]
  const people = await People.begin(apiUrl, database)
  const bystander = await people.member()
  const before = await lookAt(apiUrl, bystander)
  const description = new Description(openapi)
  const lanes = path === undefined ? LANES : 1
  const members = await Promise.all(Array.from({ length: lanes }, () => people.member()))
  const sources = await Promise.all(
    members.map(async (member, i): Promise<Source> => {
      const others = [bystander, ...members.filter((other) => other !== member)]
      const urls = { api: apiUrl, operators: operatorsUrl }
      return {
        lane: new Lane({ urls, description, people, member, others }),
        seed: options.seed + i,
        known: knownTo(member, bystander, people, await pagesOf(apiUrl, member)),
      }
    }),
  )
  const fuzzing = new Fuzzing(options, aims)
  const stalled = options.stalls ? stalledFindings(apiUrl, description) : []
  await Promise.all(sources.map((source) => fuzzing.sendAny(source)))
  if (path === undefined) {
    await fuzzing.sendMissing(sources)
    const changes = await changesFor(apiUrl, bystander, before, people.numberOf(bystander, 0))
    fuzzing.findings.push(...changes, ...(await wrongBalances(database)), ...(await stalled))
  }
  for (const { lane } of sources) lane.close()
  return fuzzing
}

/** What is being sent, and what was found so far. */
class Fuzzing implements FuzzReport {
  readonly tallies: Map<string, Tally>
  readonly findings: string[] = []
  readonly #options: FuzzOptions
  readonly #aims: Aim[]
  readonly #kinds = new Set<string>()
  #sent = 0

  constructor(options: FuzzOptions, aims: Aim[]) {
    this.#options = options
    this.#aims = aims
    this.tallies = new Map(aims.map(({ name }) => [name, emptyTally()]))
  }

  /** Sends the lane's part of all requests, until one is found; that one is then made smaller. */
  async sendAny({ lane, seed, known }: Source): Promise<void> {
    const { requests, path } = this.#options
    let foundAt: number | undefined
    const property = fc.asyncProperty(anyCase(this.#aims, known), async (drawn) => {
      if (foundAt !== undefined && performance.now() - foundAt > SHRINKING_MAX_MS) return
      try {
        await this.#send(lane, drawn)
      } catch (error) {
        foundAt ??= performance.now()
        throw error
      }
    })
    const part = { seed, numRuns: Math.ceil(requests / LANES) }
    const again = { seed, numRuns: 1, path: path ?? "" }
    const details = await fc.check(property, path === undefined ? part : again)
    const [smallest] = details.counterexample ?? []
    if (smallest === undefined) return
    const replay = `pnpm test:fuzz --seed ${seed} --path ${details.counterexamplePath}`
    this.#report(smallest, details.errorInstance, `Again: ${replay}`)
  }

  /** Sends what is missing for every operation to have been answered with success often enough. */
  async sendMissing(sources: Source[]): Promise<void> {
    // Each is drawn with a seed of its own: the same login twice is refused.
    let nextSeed = this.#options.seed + LANES
    for (let round = 0; round < ROUNDS_MAX; round++) {
      const missing = this.#operations().flatMap((aim) =>
        Array.from({ length: SUCCESSES_MIN - this.#tally(aim).succeeded }, () => aim),
      )
      await Promise.all(
        sources.map(async ({ lane, known }) => {
          for (let aim = missing.pop(); aim !== undefined; aim = missing.pop()) {
            const drawing = { seed: nextSeed++, numRuns: 1 }
            const [drawn] = fc.sample(typicalCasesOf(aim, known.typical), drawing)
            if (drawn === undefined) continue
            await this.#send(lane, drawn).catch((error: unknown) => this.#report(drawn, error))
          }
        }),
      )
    }
    for (const aim of this.#operations()) {
      const { succeeded, others } = this.#tally(aim)
      if (succeeded >= SUCCESSES_MIN) continue
      const answered = [...others].map(([status, times]) => `${status} ${times} times`)
      this.findings.push(
        `${aim.name} has succeeded ${succeeded} times, not ${SUCCESSES_MIN}: also ${answered.join(", ")}`,
      )
    }
  }

  #operations(): Aim[] {
    return this.#aims.filter(({ listener }) => listener === "api")
  }

  #tally({ name }: Aim): Tally {
    return this.tallies.get(name) ?? emptyTally()
  }

  async #send(lane: Lane, drawn: Case): Promise<void> {
    const tally = this.#tally(drawn.aim)
    this.#sent += 1
    tally.sent += 1
    this.#options.onProgress?.(this.#sent)
    const status = (await lane.send(draftOf(drawn))) ?? 0
    if (status >= 200 && status < 300) tally.succeeded += 1
    else tally.others.set(status, (tally.others.get(status) ?? 0) + 1)
  }

  #report(drawn: Case, error: unknown, more = ""): void {
    const draft = draftOf(drawn)
    const what = error instanceof Error ? error.message : String(error)
    // One of each kind is enough to begin with.
    const kind = `${drawn.aim.name}: ${what.split("\n", 1)[0]}`
    if (this.#kinds.has(kind)) return
    this.#kinds.add(kind)
    const changes = draft.changes.length > 0 ? ` with ${draft.changes.join(" and ")}` : ""
    this.findings.push(`${drawn.aim.name}${changes}\n${what}\n${show(draft)}\n${more}`)
  }
}

function emptyTally(): Tally {
  return { sent: 0, succeeded: 0, others: new Map() }
}

function anyCase(aims: Aim[], known: KnownThings): fc.Arbitrary<Case> {
  const weighted = aims.map((aim) => ({
    weight: weightOf(aim),
    arbitrary: casesOf(aim, known.mixed),
  }))
  return fc.oneof(...weighted)
}

/** A request to an operation costs more thought than one to the board, which is not ours. */
function weightOf({ name, listener }: Aim): number {
  return listener === "operators" || COSTLY.includes(name) ? 1 : WEIGHT_OF_OTHERS
}

async function wrongBalances(database: Database): Promise<string[]> {
  const { discrepancies } = await verifyLedger(database)
  return discrepancies.map(({ login, reason }) => `the balance of ${login}: ${reason}`)
}
