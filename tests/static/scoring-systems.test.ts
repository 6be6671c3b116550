import { readFileSync } from "node:fs"
import { CHECKS } from "@gofermart/scoring-conformance/checks.ts"
import { expect, it } from "vitest"

const document = readFileSync(new URL("../../docs/SCORING-SYSTEMS.md", import.meta.url), "utf8")

it("docs/SCORING-SYSTEMS.md shows a run with every rule of the protocol, in its order", () => {
  const shown = [...document.matchAll(/^(?:honoured|not seen) {2}(.+?)$/gm)]
  expect(shown.map(([, title]) => title)).toEqual(Object.values(CHECKS).map(({ title }) => title))
})
