import { globSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { expect, it } from "vitest"

const repository = join(import.meta.dirname, "../..")

/** Words that a reader would have to learn from us, and the field's. Prose in comments is free. */
const WORDS: [RegExp, string][] = [
  [/lookout/i, "poller"],
  [/\bPlaces\b/, "ConcurrencyLimiter"],
  [/farewell/i, "drain"],
  [/\b(lay)?cable/i, "fault proxy"],
  [/tripwire/i, "breakpoint proxy"],
  [/\b(build)?town\b/i, "stack, or fixture"],
  [/\blab\b/i, "fixture"],
  [/\bstand-in|standIn\b/, "baseline"],
  [/\bVerdicts\b/, "OrderWaiter"],
  [/\bintake/i, "OrderRecorder"],
  [/\buntilAnswers\b/, "waitForDatabase"],
  [/\binTime\(/, "withTimeout"],
  [/\bwhenGone\b/, "onDisconnect"],
  [/inquiry/i, "probe"],
  [/\bsignOf\b|\bPartId\b/, "finding, check"],
  [/\bPacedAsker\b/, "rate-limited client"],
  [/\bhasRoom\b/, "isBelowLimit"],
  [/\btellLimit\b/, "setRateLimitHeaders"],
  [/\bPATIENCE/, "batch wait"],
  [/\beveryRow\b/, "table snapshot"],
  [/oracle/i, "invariants"],
  [/databaseFault/i, "classifyError"],
  [/asked about|askAbout|ask_again|\bAsked\b/, "poll, polled"],
]
const OWN = "tests/static/words.test.ts"

it("names, file names and messages are in the field's words", () => {
  const files = globSync("{packages,services,tests,benchmarks}/**/*.ts", {
    cwd: repository,
    exclude: (name) => name.includes("node_modules") || name.includes("generated"),
  }).filter((file) => file !== OWN)
  expect(files.length).toBeGreaterThan(500)
  const found = files.flatMap((file) => {
    const lines = [
      file,
      ...withoutComments(readFileSync(join(repository, file), "utf8")).split("\n"),
    ]
    return lines.flatMap((line, number) =>
      WORDS.filter(([word]) => word.test(line)).map(
        ([word, better]) => `${file}:${number}: ${line.match(word)?.[0]}, which is: ${better}`,
      ),
    )
  })
  expect(found).toEqual([])
})

/** Lines stay where they are. */
function withoutComments(source: string): string {
  return source
    .replaceAll(/\/\*[\s\S]*?\*\//g, (comment) => comment.replaceAll(/[^\n]/g, ""))
    .replaceAll(/^\s*\/\/.*$/gm, "")
}
