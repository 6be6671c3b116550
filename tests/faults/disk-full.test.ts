import { execFile } from "node:child_process"
import { mkdtemp, rm, rmdir } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { promisify } from "node:util"
import { beforeEach, expect, it, onTestFinished } from "vitest"
import { describeOnBackends } from "../harness/backends.ts"
import { startOwnDatabase } from "../harness/database.ts"
import { eventually } from "../harness/eventually.ts"
import { newNumber } from "../harness/numbers.ts"
import { expectProblem } from "../harness/problem.ts"
import { startSystem, type System } from "../harness/system.ts"
import { expectSound } from "./after-a-fault.ts"
import { Traffic } from "./traffic.ts"

const run = promisify(execFile)

/** Requeue's longest lease in these tests is 5 s, the backoff starts at 1 s; and 30 s. */
const SETTLED_WITHIN_MS = 36_000
const LOAD_MS = 1_000
/** PostgreSQL with one empty database of ours takes about half of it. */
const DISK_SIZE = "256m"

/** Mounting a disk of its own needs root's rights, or sudo without a password. */
function asRoot(program: string, ...args: string[]): Promise<unknown> {
  return process.getuid?.() === 0 ? run(program, args) : run("sudo", ["-n", program, ...args])
}

describeOnBackends("PostgreSQL's disk full", (backend) => {
  let disk: string
  let system: System
  beforeEach(async () => {
    disk = await mkdtemp(join(tmpdir(), "gofermart-disk-"))
    await asRoot("mount", "-t", "tmpfs", "-o", `size=${DISK_SIZE},mode=777`, "tmpfs", disk)
    // Behind the end of the server that is on it, which is the test's as well.
    onTestFinished(async () => {
      await asRoot("umount", disk)
      await rmdir(disk)
    })
  })

  it("28: 503 while there is no room, and on it goes when there is", async () => {
    const database = await startOwnDatabase(disk)
    system = await startSystem({ backend, workers: 2, database })
    const anna = await system.register()
    const traffic = await Traffic.start(system)
    await sleep(LOAD_MS)
    const ballast = join(disk, "ballast")
    const filling = run("dd", ["if=/dev/zero", `of=${ballast}`, "bs=64k"])
    await expect(filling).rejects.toThrow("No space left on device")

    const refused = await eventually("an upload is refused", async () => {
      const answer = await anna.request("POST", "/api/user/orders", newNumber(), "text/plain")
      return answer.status === 503 && answer
    })
    expect(refused.headers.get("retry-after")).toBe("1")
    await expectProblem(refused, 503, "unavailable")
    expect(await system.logs()).toContain("No space left on device")
    await sleep(LOAD_MS)

    await rm(ballast)
    const before = traffic.uploads.size
    await eventually("uploads go on", async () => traffic.uploads.size > before + 10)
    await traffic.stop()
    expect([...traffic.answers.keys()].filter((answer) => /no answer/.test(answer))).toEqual([])
    await expectSound(system, traffic, SETTLED_WITHIN_MS)
  })
})
