import { Batcher, type BatcherOptions, type Fault, type Stage } from "../runtime/batcher.ts"
import { classifyError, isServerFault, isStatementTimeout } from "./errors.ts"
import { retry } from "./retry.ts"
import { type CallLimit, withLimit } from "./time-limit.ts"

/** A batch that reads takes a few milliseconds. */
const READ_TOGETHER_MS = 500
/** Longer than a lock is waited for: a batch may go on after it. */
const WRITE_TOGETHER_MS = 1_500
/** An item that is run alone takes about one, and on a busy machine more. */
const ALONE_MS = 50
const READ_LONGER_MS = 500
/** Enough to find out that somebody holds a lock. */
const WRITE_LONGER_MS = 1_200

const READ_MS = { together: READ_TOGETHER_MS, longer: READ_LONGER_MS }
const WRITE_MS = { together: WRITE_TOGETHER_MS, longer: WRITE_LONGER_MS }

const READS_IN_FLIGHT_MAX = 2
const READS_WAITING_MAX = 10_000

/**
 * Makes one statement of the reads that are asked for at once. `read` takes up to `itemsPerBatchMax`
 * of them and resolves with one result per item, in their order; it is repeated after a conflict or
 * a connection that broke. `ownerOf` says whose item one is; without it each is its own. Adding one
 * more rejects with `BatcherFullError` under overload.
 */
export function batchedReads<Item, Result>(
  name: string,
  itemsPerBatchMax: number,
  read: (items: Item[]) => Promise<Result[]>,
  ownerOf: (item: Item) => unknown = (item) => item,
): Batcher<Item, Result> {
  return batchedCalls(READ_MS, (items) => retry(() => read(items)), {
    name,
    itemsPerBatchMax,
    batchesInFlightMax: READS_IN_FLIGHT_MAX,
    itemsWaitingMax: READS_WAITING_MAX,
    ownerOf,
  })
}

/** The same for writes; `write` does nothing more when it is repeated. */
export function batchedWrites<Item, Result>(
  write: (items: Item[]) => Promise<Result[]>,
  options: BatcherOptions<Item>,
): Batcher<Item, Result> {
  return batchedCalls(WRITE_MS, write, options)
}

function batchedCalls<Item, Result>(
  times: { together: number; longer: number },
  call: (items: Item[]) => Promise<Result[]>,
  options: BatcherOptions<Item>,
): Batcher<Item, Result> {
  const limits: Record<Stage, CallLimit> = {
    together: { statementMs: times.together, isLong: false },
    alone: { statementMs: ALONE_MS, isLong: false },
    longer: { statementMs: times.longer, isLong: false },
    longest: { statementMs: undefined, isLong: true },
  }
  const run = (items: Item[], stage: Stage) => withLimit(limits[stage], () => call(items))
  return new Batcher(run, faultOf, options)
}

/** Whose fault it is that a statement for several items failed, as far as its error tells. */
export function faultOf(error: unknown): Fault {
  if (isStatementTimeout(error)) return "slow"
  switch (classifyError(error)) {
    case "connection_lost":
      return "shared"
    case "unavailable":
      // A row that the server cannot read makes an error of its system.
      return isServerFault(error) ? "item" : "shared"
    case "conflict":
    case "locked":
    case "data":
    case "defect":
      return "item"
  }
}
