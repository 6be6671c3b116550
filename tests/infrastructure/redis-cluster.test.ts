import { expect, it } from "vitest"
import { describeOnRedis } from "../harness/backends.ts"
import { untilInStep } from "../harness/redis-pair.ts"
import {
  ClusterUnderLoad,
  expectNothingLost,
  expectSettlingAgain,
  QUEUE_KEY,
} from "./cluster-under-load.ts"

const FAILOVERS = 2

describeOnRedis("a cluster under load", () => {
  it("56: loses the queue's primary, twice in a row: settling within 15 s", async () => {
    const load = await ClusterUnderLoad.start()
    for (let i = 0; i < FAILOVERS; i++) {
      const [primary, replica] = await load.queueNodes()
      await primary.kill()
      await expectSettlingAgain(load)
      expect((await load.cluster.ownerOf(QUEUE_KEY)).id).toBe(replica.id)
      await primary.start()
      await load.cluster.untilSound()
      await untilInStep(primary)
    }
    await expectNothingLost(load)
  })
})
