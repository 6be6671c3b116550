import { expect } from "vitest"
import { expectSettling, expectSound } from "../faults/after-a-fault.ts"
import { Traffic } from "../faults/traffic.ts"
import { eventually } from "../harness/eventually.ts"
import { type ClusterNode, RedisCluster } from "../harness/redis-cluster.ts"
import { startSystem, type System } from "../harness/system.ts"

/** Requeue's longest lease in these tests is 5 s, the backoff starts at 1 s; and 30 s. */
const SETTLED_WITHIN_MS = 36_000
/** Promised: orders uploaded after a failover are being settled again. */
const SETTLING_AGAIN_WITHIN_MS = 15_000
const LOAD_REST_MS = 20
/** A key of the queue's hash slot. */
export const QUEUE_KEY = "{shop}"

/** A system on a cluster of three primaries and their replicas, with customers who upload and withdraw all the time. */
export class ClusterUnderLoad {
  readonly cluster: RedisCluster
  readonly system: System
  readonly traffic: Traffic

  private constructor(cluster: RedisCluster, system: System, traffic: Traffic) {
    this.cluster = cluster
    this.system = system
    this.traffic = traffic
  }

  static async start(): Promise<ClusterUnderLoad> {
    const cluster = await RedisCluster.start()
    const system = await startSystem({
      backend: "redis",
      workers: 2,
      redis: {
        ...(await cluster.ownerOf(QUEUE_KEY)),
        // The first of them is away.
        url: `redis+cluster://127.0.0.1:1,${cluster.hosts}?prefix=shop`,
        close: () => cluster.close(),
      },
    })
    await system.simulator.behave({ autoRegister: true })
    const customers = await Promise.all(Array.from({ length: 4 }, () => system.register()))
    const traffic = Traffic.begin(customers, LOAD_REST_MS)
    await expectSettling(system, SETTLING_AGAIN_WITHIN_MS)
    return new ClusterUnderLoad(cluster, system, traffic)
  }

  /** The queue's primary, and a replica of it. */
  async queueNodes(): Promise<[primary: ClusterNode, replica: ClusterNode]> {
    const primary = await this.cluster.ownerOf(QUEUE_KEY)
    const [replica] = await this.cluster.replicasOf(primary)
    if (replica === undefined) throw new Error("the queue's primary has no replica")
    return [primary, replica]
  }
}

/** Orders uploaded from now on are settled in the time that is promised, and the API says that the queue is well. */
export async function expectSettlingAgain({ system }: ClusterUnderLoad): Promise<void> {
  await expectSettling(system, SETTLING_AGAIN_WITHIN_MS)
  await eventually("the API knows it", async () => (await readiness(system)).queue === "ok")
}

/** The API says why the queue takes nothing. */
export async function expectAway({ system }: ClusterUnderLoad): Promise<void> {
  await eventually("the API says why", async () =>
    (await readiness(system)).queue_reason?.startsWith("It refuses connections"),
  )
}

/** Ends the load: nothing acknowledged is lost or done twice, and no process gave up. */
export async function expectNothingLost({ system, traffic }: ClusterUnderLoad): Promise<void> {
  await traffic.stop()
  expect(await system.logs()).not.toContain("Unhandled error event")
  for (const child of [system.api, ...system.workers]) {
    expect(await Promise.race([child.exited, Promise.resolve("running")])).toBe("running")
  }
  await expectSound(system, traffic, SETTLED_WITHIN_MS)
}

async function readiness({ apiUrl }: System): Promise<{ queue: string; queue_reason?: string }> {
  const response = await fetch(`${apiUrl}/readyz`)
  return (await response.json()) as { queue: string; queue_reason?: string }
}
