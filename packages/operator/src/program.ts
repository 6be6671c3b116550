import { parseOrderNumber, type OrderNumber } from "@gofermart/shared/domain/order-number.ts"
import { Command, InvalidArgumentError } from "commander"
import { countTo, instant } from "./arguments.ts"
import { Backends, EXIT_FAILED, say } from "./backends.ts"
import {
  CONTRADICTIONS_LISTED_DEFAULT,
  CONTRADICTIONS_LISTED_MAX,
  showContradictions,
} from "./contradictions.ts"
import {
  ABOUT_CONFORMANCE,
  checkScoringSystem,
  type ConformanceFlags,
  LIMIT_WITHIN_MAX,
  ORDERS_MAX,
} from "./conformance.ts"
import { showOrder } from "./order.ts"
import {
  ORDERS_ASKED_DEFAULT,
  ORDERS_ASKED_MAX,
  PACE_DEFAULT,
  PACE_MAX,
  recheck,
  type RecheckOptions,
} from "./recheck/recheck.ts"
import { requeueAll, requeueOrder } from "./requeue.ts"
import { showUser } from "./user.ts"
import { verify } from "./verify.ts"

const ABOUT = `Looks into a running Gofermart, and steers it.

Nothing here changes a balance: only an accrual or a withdrawal does.

Settings, as the services have them; \`conformance\` needs none:
  DATABASE_URL        the database
  QUEUE_URL           the queue's Redis (the database)
  REQUEUE_LEASE_MIN   how long a reopened order's job is taken to be in the queue (30s)
  SCORING_URL         the scoring system, for recheck
  SCORING_TIMEOUT     how long an answer of its may take (10s)

Exit codes: 0 fine; 1 found wrong, or not there; 2 could not be done.`

/** The operators' commands. Each resolves with an exit code. */
export function buildProgram(env: NodeJS.ProcessEnv): Command {
  const program = new Command("gofermart").description(ABOUT).showHelpAfterError()
  program.exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : EXIT_FAILED))
  const end = async (command: () => Promise<number>) => {
    // A queue that never answered would keep the process.
    process.exit(await orFailed(command))
  }
  const run = (command: (backends: Backends) => Promise<number>) =>
    end(() => withBackends(env, command))

  program
    .command("verify")
    .description("check that every balance is explained to the hundredth, over all users")
    .action(() => run(verify))
  program
    .command("order")
    .description("tell everything that is known of an order: its rows, its job, the last answer")
    .argument("<number>", "an order's number", orderNumber)
    .action((number: OrderNumber) => run((backends) => showOrder(backends, number)))
  program
    .command("user")
    .description("tell a user's balance, what it is made of, and the latest lines of its history")
    .argument("<login>", "a user's login")
    .action((login: string) => run((backends) => showUser(backends, login)))
  program
    .command("requeue")
    .description(
      "have an order asked about now: a failed job is tried again, a lost one added, an\n" +
        "UNREGISTERED order opened again",
    )
    .argument("[number]", "an order's number", orderNumber)
    .option("--all", "every unfinished order, and every failed job")
    .action((number: OrderNumber | undefined, options: { all?: true }) => {
      if ((number === undefined) === (options.all === undefined)) {
        program.error("error: requeue needs an order's number, or --all")
      }
      return run((backends) =>
        number === undefined ? requeueAll(backends) : requeueOrder(backends, number),
      )
    })
  program
    .command("contradictions")
    .description("tell which verdicts the scoring system has contradicted, the latest first")
    .option(
      "--limit <orders>",
      `of them, at most ${CONTRADICTIONS_LISTED_MAX}`,
      countTo(CONTRADICTIONS_LISTED_MAX),
      CONTRADICTIONS_LISTED_DEFAULT,
    )
    .action(({ limit }: { limit: number }) =>
      run((backends) => showContradictions(backends, limit)),
    )
  program
    .command("recheck")
    .description(
      "ask the scoring system again about orders that were settled in a range of time, and tell\n" +
        "what it answers differently now; nothing is changed by it",
    )
    .requiredOption(
      "--from <time>",
      "settled then or later: ISO 8601 with its zone, or a date",
      instant,
    )
    .requiredOption("--to <time>", "settled before then", instant)
    .option("--pace <requests>", `a minute, at most ${PACE_MAX}`, countTo(PACE_MAX), PACE_DEFAULT)
    .option(
      "--limit <orders>",
      `asked about, at most ${ORDERS_ASKED_MAX}`,
      countTo(ORDERS_ASKED_MAX),
      ORDERS_ASKED_DEFAULT,
    )
    .action((options: RecheckOptions) => {
      if (options.from >= options.to) program.error("error: --from must be before --to")
      return run((backends) => recheck(backends, options))
    })
  addConformance(program, end)
  return program
}

function addConformance(
  program: Command,
  end: (command: () => Promise<number>) => Promise<void>,
): void {
  program
    .command("conformance")
    .summary("tell which parts of the protocol a scoring system honours")
    .description(ABOUT_CONFORMANCE)
    .argument("<url>", "where the scoring system is, as in SCORING_URL", scoringUrl)
    .option("--order <number>", "an order it knows; can be given several times", addOrder)
    .option("--register", "CHANGES THE SCORING SYSTEM: register goods and orders, which stay")
    .option(
      "--limit-within <n>",
      "SPENDS THE FLEET'S QUOTA: ask up to n questions until one is refused, and wait that out",
      countTo(LIMIT_WITHIN_MAX),
    )
    .option("--json", "print the report as JSON")
    .action((url: URL, flags: ConformanceFlags & { order?: OrderNumber[] }) =>
      end(() => checkScoringSystem(url, { ...flags, orders: flags.order ?? [] })),
    )
}

async function withBackends(
  env: NodeJS.ProcessEnv,
  command: (backends: Backends) => Promise<number>,
): Promise<number> {
  const backends = new Backends(env)
  try {
    return await command(backends)
  } finally {
    await backends.close()
  }
}

async function orFailed(command: () => Promise<number>): Promise<number> {
  try {
    return await command()
  } catch (error) {
    say(error instanceof Error ? error.message : String(error))
    return EXIT_FAILED
  }
}

function orderNumber(text: string): OrderNumber {
  const number = parseOrderNumber(text)
  if (number === undefined) {
    throw new InvalidArgumentError("An order number is digits that pass the Luhn check.")
  }
  return number
}

function addOrder(text: string, orders: OrderNumber[] = []): OrderNumber[] {
  if (orders.length === ORDERS_MAX) {
    throw new InvalidArgumentError(`No more than ${ORDERS_MAX} orders can be given.`)
  }
  return [...orders, orderNumber(text)]
}

function scoringUrl(text: string): URL {
  const url = URL.parse(text.includes("://") ? text : `http://${text}`)
  if (url === null || !["http:", "https:"].includes(url.protocol)) {
    throw new InvalidArgumentError("It must be a URL such as http://scoring:8080.")
  }
  if (`${url.username}${url.password}${url.search}${url.hash}` !== "") {
    throw new InvalidArgumentError("It must be a URL without a login, a query and a fragment.")
  }
  return url
}
