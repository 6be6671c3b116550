import { parseOrderNumber, type OrderNumber } from "@gofermart/shared/domain/order-number.ts"
import { whatIsWrongInScoringUrl, withScheme } from "@gofermart/scoring-client/settings.ts"
import { connectionRules, readConnections } from "@gofermart/shared/queue/connection-settings.ts"
import { ConfigError, EXIT_CONFIG, readEnv } from "@gofermart/shared/runtime/env.ts"
import { exitWhenWritten, onReaderGone } from "@gofermart/shared/runtime/exit.ts"
import { reasonOf } from "@gofermart/shared/runtime/reason-of.ts"
import { helpOf } from "@gofermart/shared/runtime/settings-help.ts"
import { Command, CommanderError, InvalidArgumentError } from "commander"
import { countTo, instant } from "./command-line/arguments.ts"
import { Backends, EXIT_FAILED, say } from "./command-line/backends.ts"
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
import { type GrantsOptions, printGrants } from "./grants.ts"
import { showOrder } from "./order.ts"
import {
  ORDERS_POLLED_DEFAULT,
  ORDERS_POLLED_MAX,
  PACE_DEFAULT,
  PACE_MAX,
  recheck,
  type RecheckOptions,
} from "./recheck/recheck.ts"
import { requeueAll, requeueOrder } from "./requeue.ts"
import { Schema, ScoringSchema } from "./settings.ts"
import { showUser } from "./user.ts"
import { verify } from "./verify.ts"

const ABOUT = `Looks into a running Gofermart, and steers it.

Nothing here changes a balance: only an accrual or a withdrawal does.

Exit codes: 0 fine; 1 found wrong, or not there; 2 could not be done; 78 a setting
is not usable.`

const SETTINGS = `
Settings, as the services have them; \`conformance\` needs none:

${helpOf(Schema.properties)}

Those that only \`recheck\` needs:

${helpOf(ScoringSchema.properties)}`

type End = (command: () => Promise<number>) => Promise<void>

/** Does what the command line says, and ends the process. */
export async function runProgram(env: NodeJS.ProcessEnv): Promise<never> {
  onReaderGone((code) => process.exit(code))
  let code = 0
  const end: End = async (command) => {
    code = await orFailed(command)
  }
  try {
    await buildProgram(env, end).parseAsync()
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    code = error.exitCode === 0 ? 0 : EXIT_FAILED
  }
  // Not left to end by itself: a queue that never answered would keep the process.
  return exitWhenWritten(code)
}

function buildProgram(env: NodeJS.ProcessEnv, end: End): Command {
  const program = new Command("gofermart").description(ABOUT).showHelpAfterError().exitOverride()
  program.addHelpText("after", SETTINGS)
  const run = (command: (backends: Backends) => Promise<number>, pollsScoring = false) =>
    end(() => withBackends(env, pollsScoring, command))

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
      "have an order polled now: a failed job is tried again, a lost one added, an\n" +
        "UNREGISTERED order opened again",
    )
    .argument("[number]", "an order's number", orderNumber)
    .option("--all", "every unfinished order, and every failed job")
    .action((number: OrderNumber | undefined, options: { all?: true }) => {
      if ((number === undefined) === (options.all === undefined)) {
        program.error("error: requeue needs an order's number, or --all, and not both")
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
    .command("grants")
    .description(
      "print the SQL that gives a role what API, workers and these commands need;\n" +
        "connects to nothing",
    )
    .argument("<role>", "the role that they run as")
    .option("--migrating <role>", "and what the role needs that migrate runs as")
    .action((role: string, options: GrantsOptions) =>
      end(async () =>
        printGrants(readConnections(readEnv(Schema, env, connectionRules)), role, options),
      ),
    )
  program
    .command("recheck")
    .description(
      "poll orders again that were settled in a range of time, and tell\n" +
        "what the scoring system answers differently now; nothing is changed by it",
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
      `polled, at most ${ORDERS_POLLED_MAX}`,
      countTo(ORDERS_POLLED_MAX),
      ORDERS_POLLED_DEFAULT,
    )
    .action((options: RecheckOptions) => {
      if (options.from >= options.to) program.error("error: --from must be before --to")
      return run((backends) => recheck(backends, options), true)
    })
  addConformance(program, end)
  return program
}

function addConformance(program: Command, end: End): void {
  program
    .command("conformance")
    .summary("tell which rules of the protocol a scoring system honours")
    .description(ABOUT_CONFORMANCE)
    .argument("<url>", "where the scoring system is, as in SCORING_URL")
    .option("--order <number>", "an order it knows; can be given several times", addOrder)
    .option("--register", "CHANGES THE SCORING SYSTEM: register goods and orders, which stay")
    .option(
      "--limit-within <n>",
      "SPENDS THE FLEET'S QUOTA: make up to n polls until one is refused, and wait that out",
      countTo(LIMIT_WITHIN_MAX),
    )
    .option("--json", "print the report as JSON")
    .action((text: string, flags: ConformanceFlags & { order?: OrderNumber[] }) => {
      // An argument's own check would repeat it in its complaint, with the password in it.
      const wrong = whatIsWrongInScoringUrl(text)
      if (wrong !== undefined) {
        program.error(`error: <url> must be an address such as http://scoring:8080 (${wrong})`)
      }
      const url = new URL(withScheme(text))
      return end(() => checkScoringSystem(url, { ...flags, orders: flags.order ?? [] }))
    })
}

async function withBackends(
  env: NodeJS.ProcessEnv,
  pollsScoring: boolean,
  command: (backends: Backends) => Promise<number>,
): Promise<number> {
  const backends = new Backends(env, pollsScoring)
  try {
    await backends.expectDatabase()
    return await command(backends)
  } finally {
    await backends.close()
  }
}

async function orFailed(command: () => Promise<number>): Promise<number> {
  try {
    return await command()
  } catch (error) {
    if (error instanceof ConfigError) {
      process.stderr.write(`${error.message}\n`)
      return EXIT_CONFIG
    }
    say(reasonOf(error))
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
