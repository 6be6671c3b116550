import { expect } from "vitest"
import type { CheckId } from "./checks.ts"
import { checkSystem, type Defect, checkOf, checksWith, startSystem } from "./scripted-system.ts"

/** A defect of a scoring system, and what the kit is to say of it. */
export interface Case {
  defect: string
  does: Defect
  violates: CheckId[]
  says: RegExp
  client: RegExp | string
  limitWithin?: number
  pollTimeoutMs?: number
}

/** Expects that these checks are violated and no others, and what is said of the first. */
export async function expectFound({
  does,
  violates,
  says,
  client,
  limitWithin,
  pollTimeoutMs,
}: Case): Promise<void> {
  const { url } = await startSystem(does)
  const report = await checkSystem(url, limitWithin, pollTimeoutMs)
  expect(checksWith(report, "violated").toSorted()).toEqual(violates.toSorted())
  const found = checkOf(report, violates[0] ?? "answered")
  expect(found).toMatchObject({
    verdict: "violated",
    violation: expect.stringMatching(says),
    client: typeof client === "string" ? client : expect.stringMatching(client),
  })
}
