import { openWorkerConnection } from "@gofermart/shared/queue/redis-connection.ts"
import { redisTarget } from "@gofermart/shared/queue/redis-url.ts"
import { createLogger } from "@gofermart/shared/runtime/logger.ts"
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest"
import { describeOnRedis } from "../harness/backends.ts"
import { eventually } from "../harness/eventually.ts"
import { newNumber } from "../harness/numbers.ts"
import { expectAllSettledOnce } from "../harness/invariants.ts"
import {
  order,
  type ScriptedScoring,
  startScriptedScoring,
  status,
} from "@gofermart/scoring-simulator/scripted.ts"
import { WITHOUT_REQUEUE } from "../harness/settings.ts"
import { startOwnRedis, startSystem, type System } from "../harness/system.ts"

/** Polls that get a 503; the job's row is refused once, when the last of them is noted. */
const FAILED_POLLS = 3
/** The backoff's first delay, 1 s, less its jitter. */
const BACKOFF_FIRST_MIN_MS = 800
/** After which a command is given up, and one that is waited for. */
const GIVEN_UP_AFTER_MS = 200
const WAITED_FOR_MS = 30_000

describe("a queue on PostgreSQL that refuses a command once", () => {
  let scoring: ScriptedScoring
  let system: System
  beforeAll(async () => {
    scoring = await startScriptedScoring()
    system = await startSystem({
      backend: "postgresql",
      scoringUrl: scoring.url,
      env: WITHOUT_REQUEUE,
    })
  })
  afterAll(async () => {
    await system.close()
    await scoring.close()
  })

  it.each([
    { error: "a deadlock, of which it is the victim", sqlstate: "40P01", brokenOff: 0 },
    { error: "an error nobody knows", sqlstate: "XX000", brokenOff: 1 },
  ])("$error: the backoff goes on where it was", async ({ sqlstate, brokenOff }) => {
    const anna = await system.register()
    const number = newNumber()
    scoring.script(
      number,
      ...Array.from({ length: FAILED_POLLS }, () => status(503)),
      order("PROCESSED", "1"),
    )
    await refuseOnce(system, number, sqlstate)
    expect(await anna.upload(number)).toBe(202)
    await eventually("the order is settled", async () => (await anna.balance()).current === 1)

    const polls = scoring.polls(number)
    expect(polls).toHaveLength(FAILED_POLLS + 1)
    for (const [i, at] of polls.slice(1).entries()) {
      const waited = at - (polls[i] ?? 0)
      expect(waited, `after poll ${i + 1}`).toBeGreaterThanOrEqual(BACKOFF_FIRST_MIN_MS * 2 ** i)
    }
    const logged = (await system.logs()).split("\n").filter((line) => line.includes(number))
    expect(logged.filter((line) => line.includes("a poll broke off"))).toHaveLength(brokenOff)
    await expectAllSettledOnce(system, [number])
  })
})

describeOnRedis("a worker's connection to Redis", () => {
  it("does not send what its caller has given up: it would take a job for nobody", async () => {
    const redis = await startOwnRedis()
    const opened = openWorkerConnection(redisTarget(redis.url), createLogger("tests", "silent"))
    const connection = opened.duplicate({ commandTimeout: WAITED_FOR_MS })
    onTestFinished(async () => {
      connection.disconnect()
      opened.disconnect()
      await redis.close()
    })
    await connection.ping()
    await redis.kill()
    connection.options.commandTimeout = GIVEN_UP_AFTER_MS
    await expect(connection.set("given up", 1)).rejects.toThrow("Command timed out")
    connection.options.commandTimeout = WAITED_FOR_MS
    const waiting = connection.set("waited for", 1)
    await redis.start()
    await waiting
    expect(await redis.client.keys("*")).toEqual(["waited for"])
  })
})

/** Makes the update that notes the order's last failed poll fail the first time it is tried. */
async function refuseOnce(system: System, number: string, sqlstate: string): Promise<void> {
  const { client } = system.database
  const name = `refuse_${sqlstate.toLowerCase()}`
  // What a sequence has given is not taken back with the transaction.
  await client.$executeRawUnsafe(`CREATE SEQUENCE ${name}`)
  await client.$executeRawUnsafe(`
    CREATE FUNCTION ${name}() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      IF nextval('public.${name}') = 1 THEN
        RAISE EXCEPTION 'refused by a test' USING ERRCODE = '${sqlstate}';
      END IF;
      RETURN NEW;
    END $$`)
  await client.$executeRawUnsafe(`
    CREATE TRIGGER ${name} BEFORE UPDATE OF data ON bullmq.job FOR EACH ROW
      WHEN (NEW.data->>'number' = '${number}' AND (NEW.data->>'polls')::int = ${FAILED_POLLS})
      EXECUTE FUNCTION ${name}()`)
}
