import { expect, it } from "vitest"
import { releaseChangelog } from "./changelog.ts"

const before = `# Changelog

## Unreleased

### Fixed

- A thing.

## 0.1.0 - 2026-01-01

- The first.
`

it("what is unreleased becomes the version's, and nothing is unreleased then", () => {
  const { changelog, notes } = releaseChangelog(before, "0.2.0", "2026-02-03")
  const heading = "## Unreleased\n\n## 0.2.0 - 2026-02-03\n"
  expect(changelog).toBe(before.replace("## Unreleased\n", heading))
  expect(notes).toBe("### Fixed\n\n- A thing.")
  expect(() => releaseChangelog(changelog, "0.3.0", "2026-02-04")).toThrow(
    "nothing under Unreleased",
  )
})

it("a first version has everything up to the end", () => {
  const { notes } = releaseChangelog("## Unreleased\n\n- All.\n", "0.1.0", "2026-01-01")
  expect(notes).toBe("- All.")
})

it("a changelog without the section is refused", () => {
  expect(() => releaseChangelog("# Changelog\n", "0.1.0", "2026-01-01")).toThrow("no section")
})
