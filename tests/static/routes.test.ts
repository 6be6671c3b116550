import { globSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { expect, it } from "vitest"
import { matches, repository } from "./documents.ts"

/** The operators' pages are no routes of the API. */
const files = globSync("services/api/src/!(operator)/*.ts", { cwd: repository }).filter(
  (path) => !path.endsWith(".test.ts"),
)

it("a file *-route.ts of the API has one route, and no other file has any", () => {
  const counts = files.map((path): [string, number] => {
    const code = readFileSync(join(repository, path), "utf8")
    return [path, matches(code, /\bapp\.(get|post|put|patch|delete|route)\(/g).length]
  })
  expect(counts.length).toBeGreaterThan(50)
  for (const [path, count] of counts) {
    expect({ path, count }).toEqual({ path, count: path.endsWith("-route.ts") ? 1 : 0 })
  }
})
