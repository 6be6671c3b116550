import { setTimeout as sleep } from "node:timers/promises"
import { expect, it } from "vitest"
import { describeOnRedis } from "../../harness/backends.ts"
import { untilInStep } from "../../harness/redis-pair.ts"
import { startNode } from "../../harness/redis-cluster.ts"
import {
  ClusterUnderLoad,
  expectAway,
  expectNothingLost,
  expectSettlingAgain,
  QUEUE_KEY,
} from "../cluster-under-load.ts"

const MOVES = 3
const ALL_AWAY_MS = 3_000

describeOnRedis("a cluster under load", () => {
  it("56: moves the queue's hash slot, again and again: settling within 15 s", async () => {
    const load = await ClusterUnderLoad.start()
    for (let i = 0; i < MOVES; i++) {
      const from = await load.cluster.ownerOf(QUEUE_KEY)
      const to = (await load.cluster.primaries()).find(({ id }) => id !== from.id)
      if (to === undefined) throw new Error("there is no other primary")
      await load.cluster.moveSlot(QUEUE_KEY, to)
      await expectSettlingAgain(load)
      expect((await load.cluster.ownerOf(QUEUE_KEY)).id).toBe(to.id)
    }
    await expectNothingLost(load)
  })

  it("56: gets a node, which takes over the queue, and loses it again", async () => {
    const load = await ClusterUnderLoad.start()
    const { cluster } = load
    const first = await cluster.ownerOf(QUEUE_KEY)
    const newcomer = await startNode()
    await cluster.meet(newcomer)
    await cluster.untilSound()
    await cluster.moveSlot(QUEUE_KEY, newcomer)
    await expectSettlingAgain(load)
    await cluster.moveSlot(QUEUE_KEY, first)
    await cluster.remove(newcomer)
    await expectSettlingAgain(load)
    await expectNothingLost(load)
  })

  it("56: has the queue's primary hang, its sockets open: settling within 15 s, also when it comes back", async () => {
    const load = await ClusterUnderLoad.start()
    const [primary] = await load.queueNodes()
    primary.freeze()
    await expectSettlingAgain(load)
    primary.thaw()
    await expectSettlingAgain(load)
    await expectNothingLost(load)
  })

  it("56: loses a primary that has nothing of the queue, and takes no commands for a moment", async () => {
    const load = await ClusterUnderLoad.start()
    const owner = await load.cluster.ownerOf(QUEUE_KEY)
    const other = (await load.cluster.primaries()).find(({ id }) => id !== owner.id)
    await other?.kill()
    // Until a replica has its slots, no node takes any command.
    await load.cluster.untilUnsound(owner)
    await expectSettlingAgain(load)
    await expectNothingLost(load)
  })

  it("56: is restarted as a whole, empty: settling within 15 s", async () => {
    const load = await ClusterUnderLoad.start()
    const { nodes } = load.cluster
    await Promise.all(nodes.map((node) => node.kill()))
    await expectAway(load)
    await sleep(ALL_AWAY_MS)
    await Promise.all(nodes.map((node) => node.start()))
    await expectSettlingAgain(load)
    await expectNothingLost(load)
  })

  it("56: is replaced node by node, as an upgrade does it: each primary hands over first", async () => {
    const load = await ClusterUnderLoad.start()
    for (const node of await load.cluster.primaries()) {
      const [replica] = await load.cluster.replicasOf(node)
      await replica?.client.call("CLUSTER", "FAILOVER")
      await load.cluster.untilReplica(node)
      await node.kill()
      await node.start()
      await untilInStep(node)
      await expectSettlingAgain(load)
    }
    await expectNothingLost(load)
  })
})
