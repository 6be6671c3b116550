import { type Address, askNode, type ClusterOptions, isSame } from "./slot-owner.ts"

/** Where a node says that it is, and is not found from here: nobody is there, or another server. */
export interface WrongAnnouncement extends Address {
  isOfAnother: boolean
}

/**
 * Asks the nodes of a connection string, and then asks each where it says that it is. One that has just answered is
 * alive, so no wait mends that it is not found there. Undefined when all are.
 */
export async function findWrongAnnouncement(
  options: ClusterOptions,
): Promise<WrongAnnouncement | undefined> {
  const asked = options.clusterNodes.map(async (node) => {
    const { own, id } = (await askNode(node, options).catch(() => undefined)) ?? {}
    if (own === undefined || isSame(own, node)) return undefined
    const there = await askNode(own, options).then(
      (view) => view.id,
      (error: Error) => (NO_CLUSTER.test(error.message) ? "no cluster" : undefined),
    )
    return there === id ? undefined : { ...own, isOfAnother: there !== undefined }
  })
  return (await Promise.all(asked)).find((wrong) => wrong !== undefined)
}

/** What a server says that is in no cluster. */
export const NO_CLUSTER =
  /^ERR (This instance has cluster support disabled|unknown command .CLUSTER)/i
