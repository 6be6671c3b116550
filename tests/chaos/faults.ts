import type { Process, Stack } from "./stack.ts"

/** One way to hurt a stack, and what makes it whole again. `pick` is a random whole number. */
export interface Fault {
  name: string
  /** How long it lasts. */
  minMs: number
  maxMs: number
  hurt(stack: Stack, pick: number): Promise<unknown> | void
  heal(stack: Stack, pick: number): Promise<unknown> | void
}

const MOMENT = { minMs: 0, maxMs: 500 }
const WHILE = { minMs: 1_000, maxMs: 8_000 }

function on(stack: Stack, process: Process, pick: number) {
  const index = pick % stack.processes[process].length
  const child = stack.processes[process][index]
  if (child === undefined) throw new Error(`there is no ${process}`)
  return { index, child }
}

function killed(process: Process): Fault {
  return {
    name: `${process} killed`,
    ...WHILE,
    async hurt(stack, pick) {
      const { child } = on(stack, process, pick)
      child.kill("SIGKILL")
      await child.exited
    },
    heal: (stack, pick) => stack.restart(process, on(stack, process, pick).index),
  }
}

function restarted(process: Process): Fault {
  return {
    name: `${process} restarted`,
    ...MOMENT,
    hurt: (stack, pick) => on(stack, process, pick).child.stop(),
    heal: (stack, pick) => stack.restart(process, on(stack, process, pick).index),
  }
}

function frozen(process: Process): Fault {
  return {
    name: `${process} frozen`,
    minMs: 1_000,
    // Longer than a job's lock lasts.
    maxMs: 25_000,
    hurt: (stack, pick) => on(stack, process, pick).child.kill("SIGSTOP"),
    heal: (stack, pick) => on(stack, process, pick).child.kill("SIGCONT"),
  }
}

const onEveryQueue: Fault[] = [
  killed("api"),
  killed("worker"),
  restarted("api"),
  restarted("worker"),
  frozen("api"),
  frozen("worker"),
  {
    name: "PostgreSQL crashed",
    ...WHILE,
    hurt: ({ postgres }) => postgres.stop("immediate"),
    heal: ({ postgres }) => postgres.start(),
  },
  {
    name: "connections terminated",
    ...MOMENT,
    hurt: ({ client }) => client.$executeRaw`
      SELECT pg_terminate_backend(pid) FROM pg_stat_activity
       WHERE datname = current_database() AND application_name LIKE 'gofermart%'`,
    heal: () => {},
  },
  {
    name: "database unreachable",
    ...WHILE,
    hurt: ({ database }) => database.cut(),
    heal: ({ database }) => database.mend(),
  },
  {
    name: "database silent",
    ...WHILE,
    hurt: ({ database }) => database.freeze(),
    heal: ({ database }) => database.mend(),
  },
  {
    name: "scoring unreachable",
    ...WHILE,
    hurt: ({ scoring }) => scoring.cut(),
    heal: ({ scoring }) => scoring.mend(),
  },
  {
    name: "scoring silent",
    ...WHILE,
    hurt: ({ scoring }) => scoring.freeze(),
    heal: ({ scoring }) => scoring.mend(),
  },
  {
    name: "scoring answers 500",
    ...WHILE,
    hurt: ({ simulator }) => simulator.behave({ unavailable: true }),
    heal: ({ simulator }) => simulator.behave({ unavailable: false }),
  },
  {
    name: "scoring answers 429",
    ...WHILE,
    hurt: ({ simulator }) => simulator.behave({ requestsPerMinute: 5, windowMs: 2_000 }),
    heal: ({ simulator }) => simulator.behave({ requestsPerMinute: 0 }),
  },
]

const onRedis: Fault[] = [
  {
    name: "Redis flushed",
    ...MOMENT,
    hurt: ({ redis }) => redis?.flushAll(),
    heal: () => {},
  },
  {
    name: "Redis killed",
    ...WHILE,
    hurt: ({ redis }) => redis?.kill(),
    heal: ({ redis }) => redis?.start(),
  },
  {
    name: "Redis frozen",
    ...WHILE,
    hurt: ({ redis }) => redis?.freeze(),
    heal: ({ redis }) => redis?.thaw(),
  },
]

/** What can happen to a stack. */
export function faultsOf({ redis }: Stack): Fault[] {
  return redis === undefined ? onEveryQueue : [...onEveryQueue, ...onRedis]
}
