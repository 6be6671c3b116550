import { inspect, isDeepStrictEqual } from "node:util"
import { verifyLedger } from "@gofermart/shared/ledger/verify.ts"
import * as fc from "fast-check"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { createDatabase, type TestDatabase } from "../harness/database.ts"
import { startSystem, type System } from "../harness/system.ts"
import {
  apply,
  explain,
  type Model,
  newModel,
  type Operation,
  type Outcome,
} from "./ledger-model.ts"
import { openApi, openLedger, type SeenAccount, type Side } from "./ledger-sides.ts"

/** Few of each, so that the operations get into each other's way. */
const USERS = 3
const ORDERS = 5
const KEYS = ["a", "b"]
const AT_ONCE_MAX = 8
const COMMANDS_MAX = 60
/** With 25 runs, one in 14 tests did not come to every outcome; with these, none of 300. */
const RUNS = 80
/** Each command of these is several operations. */
const RUNS_AT_ONCE = 40
/** Beyond it shrinking ends with what it has found, and what was not checked fails. */
const TIME_MAX_MS = 500_000

const EVERY_OUTCOME: Outcome[] = [
  "accepted",
  "already_uploaded",
  "taken",
  "withdrawn",
  "not_enough",
  "not_owned",
  "key_reused",
  "settled",
  "waiting",
  "already_settled",
  "contradicted",
  "not_awaited",
]

const user = fc.nat({ max: USERS - 1 })
const order = fc.nat({ max: ORDERS - 1 })
const hundredths = fc.constantFrom(1, 99, 100, 10_000)
const upload = fc.record({ do: fc.constant("upload" as const), user, order })
const key = fc.constantFrom(...KEYS)
const withdraw = fc.record({ do: fc.constant("withdraw" as const), user, order, hundredths, key })
const verdict = fc.oneof(
  fc.record({
    kind: fc.constant("PROCESSED" as const),
    hundredths: fc.constantFrom(0, 100, 10_001),
  }),
  fc.record({ kind: fc.constant("INVALID" as const) }),
  fc.record({ kind: fc.constant("NOT_FINAL" as const) }),
)
const unknown = fc.record({ kind: fc.constant("NOT_REGISTERED" as const) })
const settle = (answer: fc.Arbitrary<(Operation & { do: "settle" })["answer"]>) =>
  fc.record({ do: fc.constant("settle" as const), order, answer })

/** `past`: which of the withdrawals so far is sent again, and with how much more. */
const again = fc.record({
  do: fc.constant("again" as const),
  past: fc.nat({ max: 100 }),
  more: fc.constantFrom(0, 0, 1),
})
const one = fc.oneof(upload, withdraw, settle(fc.oneof(verdict, unknown)), again)
/** The end of a grace time of zero depends on milliseconds. */
const several = fc.array(fc.oneof(upload, withdraw, settle(verdict)), {
  minLength: 2,
  maxLength: AT_ONCE_MAX,
})

interface Compared {
  side: Side
  seen: Set<Outcome>
}
type Command = fc.AsyncCommand<{ now: Model }, Compared>

/** One operation, whose outcome must be the model's. */
class One implements Command {
  readonly asked: Operation | { do: "again"; past: number; more: number }

  constructor(asked: One["asked"]) {
    this.asked = asked
  }

  check({ now }: { now: Model }): boolean {
    return this.#operation(now) !== undefined
  }

  async run(model: { now: Model }, { side, seen }: Compared): Promise<void> {
    const operation = this.#operation(model.now)
    if (operation === undefined) return
    const outcome = await side.do(operation)
    expect(outcome).toBe(apply(model.now, operation))
    seen.add(outcome)
  }

  toString(): string {
    return JSON.stringify(this.asked)
  }

  #operation(model: Model): Operation | undefined {
    if (this.asked.do !== "again") return this.asked
    const past = model.accounts.flatMap(({ withdrawals }, owner) =>
      Object.entries(withdrawals).map(([used, made]) => ({ ...made, user: owner, key: used })),
    )
    const made = past[this.asked.past % past.length]
    return made && { do: "withdraw", ...made, hundredths: made.hundredths + this.asked.more }
  }
}

/** Several operations sent at once, which must come out as in some order they would one by one. */
class AtOnce implements Command {
  readonly operations: Operation[]

  constructor(operations: Operation[]) {
    this.operations = operations
  }

  check(): boolean {
    return true
  }

  async run(model: { now: Model }, { side, seen }: Compared): Promise<void> {
    const outcomes = await Promise.all(this.operations.map((operation) => side.do(operation)))
    const done = this.operations.map((operation, i) => {
      return { operation, outcome: outcomes[i] ?? ("none" as Outcome) }
    })
    const [accounts, statuses] = await Promise.all([side.accounts(), side.statuses()])
    const explained = explain(
      model.now,
      done,
      (possible) => begins(possible, accounts),
      (final) => isDeepStrictEqual(seenOf(final), { accounts, statuses }),
    )
    if (explained === undefined) {
      const found = inspect({ before: model.now, done, accounts, statuses }, { depth: null })
      throw new Error(`no order of the operations explains ${found}`)
    }
    model.now = explained
    for (const outcome of outcomes) seen.add(outcome)
  }

  toString(): string {
    return `at once ${JSON.stringify(this.operations)}`
  }
}

/** Whether what the accounts say now is how what they said in the end began. */
function begins(model: Model, accounts: SeenAccount[]): boolean {
  return model.accounts.every(({ lines }, i) =>
    isDeepStrictEqual(lines, accounts[i]?.lines.slice(0, lines.length)),
  )
}

/** What of the model shows from outside. */
function seenOf({ accounts, orders }: Model) {
  return {
    accounts: accounts.map(({ current, withdrawn, lines }) => ({ current, withdrawn, lines })),
    statuses: Object.fromEntries(
      Object.entries(orders).map(([i, { owner, status }]) => [i, { owner, status }]),
    ),
  }
}

async function expectLikeModel(
  open: () => Promise<Side>,
  commands: fc.Arbitrary<Command>[],
  numRuns: number,
): Promise<Set<Outcome>> {
  const seen = new Set<Outcome>()
  const property = fc.asyncProperty(
    fc.commands(commands, { maxCommands: COMMANDS_MAX, size: "max" }),
    async (drawn) => {
      const model = { now: newModel(USERS) }
      const side = await open()
      await fc.asyncModelRun(() => ({ model, real: { side, seen } }), drawn)
      const [accounts, statuses] = await Promise.all([side.accounts(), side.statuses()])
      expect({ accounts, statuses }).toEqual(seenOf(model.now))
    },
  )
  const limits = { interruptAfterTimeLimit: TIME_MAX_MS, markInterruptAsFailure: true }
  await fc.assert(property, { numRuns, ...limits })
  return seen
}

const ONE_BY_ONE = [one.map((asked) => new One(asked))]
const ALSO_AT_ONCE = [...ONE_BY_ONE, several.map((operations) => new AtOnce(operations))]

describe("the ledger's functions", () => {
  let test: TestDatabase
  beforeAll(async () => {
    test = await createDatabase()
  })
  afterAll(async () => {
    expect((await verifyLedger(test.client)).discrepancies).toEqual([])
    await test.expectNoneInTransaction()
    await test.drop()
  })
  const open = () => openLedger(test.client, USERS, ORDERS)

  it("do what the model does, one operation after another", async () => {
    const seen = await expectLikeModel(open, ONE_BY_ONE, RUNS)
    expect([...seen].toSorted()).toEqual(EVERY_OUTCOME.toSorted())
  })

  it("do at once what the model does in some order", async () => {
    const seen = await expectLikeModel(open, ALSO_AT_ONCE, RUNS_AT_ONCE)
    expect([...seen].toSorted()).toEqual(EVERY_OUTCOME.toSorted())
  })
})

describe("the API", () => {
  let system: System
  beforeAll(async () => {
    system = await startSystem({ backend: "postgresql", workers: 0 })
  })
  afterAll(async () => {
    expect((await verifyLedger(system.database.client)).discrepancies).toEqual([])
    await system.close()
  })
  const open = () => openApi(system, USERS, ORDERS)

  it("does what the model does, one request after another", async () => {
    const seen = await expectLikeModel(open, ONE_BY_ONE, RUNS)
    expect([...seen].toSorted()).toEqual(EVERY_OUTCOME.toSorted())
  })

  it("does at once what the model does in some order", async () => {
    const seen = await expectLikeModel(open, ALSO_AT_ONCE, RUNS_AT_ONCE)
    expect([...seen].toSorted()).toEqual(EVERY_OUTCOME.toSorted())
  })
})
