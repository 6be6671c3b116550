import { expect } from "vitest"
import type { PartId } from "./parts.ts"
import { check, type Defect, partOf, partsWith, startSystem } from "./scripted-system.ts"

/** A defect of a scoring system, and what the kit is to say of it. */
export interface Case {
  defect: string
  does: Defect
  violates: PartId[]
  says: RegExp
  client: RegExp | string
  limitWithin?: number
}

/** Expects that these parts are violated and no others, and what is said of the first. */
export async function expectFound({
  does,
  violates,
  says,
  client,
  limitWithin,
}: Case): Promise<void> {
  const { url } = await startSystem(does)
  const report = await check(url, limitWithin)
  expect(partsWith(report, "violated").toSorted()).toEqual(violates.toSorted())
  const found = partOf(report, violates[0] ?? "answered")
  expect(found).toMatchObject({
    verdict: "violated",
    violation: expect.stringMatching(says),
    client: typeof client === "string" ? client : expect.stringMatching(client),
  })
}
