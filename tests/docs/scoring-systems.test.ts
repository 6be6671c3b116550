import { readFileSync } from "node:fs"
import { PARTS } from "@gofermart/scoring-conformance/parts.ts"
import { expect, it } from "vitest"

const document = readFileSync(new URL("../../docs/scoring-systems.md", import.meta.url), "utf8")

it("docs/scoring-systems.md shows a run with every part of the protocol, in its order", () => {
  const shown = [...document.matchAll(/^(?:honoured|not seen) {2}(.+?) {2,}/gm)]
  expect(shown.map(([, title]) => title)).toEqual(Object.values(PARTS).map(({ title }) => title))
})
