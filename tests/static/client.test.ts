import { readFileSync } from "node:fs"
import { join } from "node:path"
import { expect, it } from "vitest"
import { openapiText } from "../../services/api/src/openapi-text.ts"
import { repository } from "./documents.ts"

it("the client is generated from the API as it is: otherwise run client:generate", async () => {
  const committed = readFileSync(join(repository, "packages/client/openapi.json"), "utf8")
  // The difference of two texts of 7,000 lines helps nobody.
  expect(committed === (await openapiText())).toBe(true)
})
