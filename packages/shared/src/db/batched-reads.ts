import { Batcher } from "../runtime/batcher.ts"
import { repeat } from "./repeat.ts"

const BATCHES_IN_FLIGHT_MAX = 2
const READS_WAITING_MAX = 10_000

/**
 * Makes one statement of the reads that are asked for at once. `read` takes up to `itemsPerBatchMax`
 * of them and resolves with one result per item, in their order; it is repeated after a conflict or
 * a connection that broke. Adding one more rejects with `BatcherFullError` under overload.
 */
export function batchedReads<Item, Result>(
  name: string,
  itemsPerBatchMax: number,
  read: (items: Item[]) => Promise<Result[]>,
): Batcher<Item, Result> {
  // Nothing that is wrong with one of them can fail a read of several.
  const isItemFault = () => false
  return new Batcher((items) => repeat(() => read(items)), isItemFault, {
    name,
    itemsPerBatchMax,
    batchesInFlightMax: BATCHES_IN_FLIGHT_MAX,
    itemsWaitingMax: READS_WAITING_MAX,
  })
}
