import { openAccrualQueue } from "@gofermart/shared/queue/backend.ts"
import { addPolls } from "@gofermart/shared/queue/poll-job.ts"
import { createLogger } from "@gofermart/shared/runtime/logger.ts"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { eventually } from "../harness/eventually.ts"
import { newNumber } from "../harness/numbers.ts"
import { expectAllSettledOnce } from "../harness/invariants.ts"
import {
  order,
  type ScriptedScoring,
  startScriptedScoring,
} from "@gofermart/scoring-simulator/scripted.ts"
import { startSystem, type System } from "../harness/system.ts"
import { operate } from "./run.ts"

describe("contradicted verdicts, to their operator", () => {
  let scoring: ScriptedScoring
  let system: System
  beforeAll(async () => {
    scoring = await startScriptedScoring()
    system = await startSystem({ backend: "postgresql", scoringUrl: scoring.url })
  })
  afterAll(async () => {
    await system.close()
    await scoring.close()
  })

  it("there are none at first", async () => {
    expect(await operate(system, "contradictions")).toEqual({
      code: 0,
      said: "0 orders are contradicted.\n",
    })
  })

  it("are told the latest first, and on the order's page", async () => {
    const queue = await openAccrualQueue(system.queueUrl, createLogger("tests", "silent"))
    const anna = await system.register()
    const numbers = [newNumber(), newNumber()] as const
    for (const number of numbers) {
      scoring.script(number, order("PROCESSED", "729.98"), order("INVALID"))
      expect(await anna.upload(number)).toBe(202)
      await expectAllSettledOnce(system, [number])
      // A job that comes again has a settled order polled.
      await eventually("it is contradicted", async () => {
        await addPolls(queue, [number])
        return (
          (await system.database.client.contradiction.count({
            where: { order: { number } },
          })) === 1
        )
      })
      await eventually("no job is left", async () => {
        return (await queue.getJob(`order-${number}`)) === undefined
      })
    }
    await queue.close()
    const [older, newer] = numbers
    const line = (number: string) =>
      new RegExp(
        `^order ${number} of ${anna.login}, PROCESSED 729\\.98, is contradicted by INVALID at 20`,
      )
    const { code, said } = await operate(system, "contradictions")
    expect(code).toBe(0)
    const lines = said.trimEnd().split("\n")
    expect(lines).toEqual([
      expect.stringMatching(line(newer)),
      expect.stringMatching(line(older)),
      "2 orders are contradicted.",
    ])
    const one = await operate(system, "contradictions", "--limit", "1")
    expect(one.said).toMatch(line(newer))
    expect(one.said).toContain("\n2 orders are contradicted, 1 not told.\n")

    const contradicted = /^contradicted by INVALID at 20.*Z, (once|\d+ times, the first at 20.*Z)$/m
    const shown = await operate(system, "order", newer)
    expect(shown.said).toMatch(contradicted)
    expect(shown.said).toContain("status       PROCESSED")
    const page = await fetch(`${system.operatorsUrl}/orders/${newer}`)
    expect(await page.text()).toMatch(contradicted)
  })

  it.each(["0", "1001", "-1", "all", "1.5"])("a list of %s is refused", async (limit) => {
    const { code, said } = await operate(system, "contradictions", `--limit=${limit}`)
    expect(code).toBe(2)
    expect(said).toContain("It must be a whole number from 1 to 1000.")
  })
})
