import { readFileSync } from "node:fs"
import { readdir } from "node:fs/promises"
import { join } from "node:path"
import { beforeAll, describe, expect, it } from "vitest"
import { PROBLEM_CODES, type ProblemCode, problemOf } from "../../services/api/src/http/problems.ts"
import type { OpenApi } from "../harness/openapi.ts"
import { matches } from "./documents.ts"

const repository = join(import.meta.dirname, "../..")
const api = join(repository, "services/api/src")
/** A test of the client says when it is not what the API is. */
const openapi = JSON.parse(
  readFileSync(join(repository, "packages/client/openapi.json"), "utf8"),
) as OpenApi

/** The codes in the calls that answer with one, of each branch. */
function codesSent(source: string): string[] {
  const calls = source.match(/sendProblem\((?:[^()]|\([^()]*\))*\)/g) ?? []
  const texts = matches(calls.join(""), /"(\w+)"/g)
  return texts.filter((text) => PROBLEM_CODES.includes(text as ProblemCode))
}

describe("a problem code", () => {
  const operations = Object.values(openapi.paths).flatMap((methods) => Object.values(methods))
  const ofOperations = operations.map(
    ({ responses }) =>
      new Set(
        Object.values(responses).flatMap(({ content = {} }) =>
          Object.values(content).flatMap(({ examples = {} }) => Object.keys(examples)),
        ),
      ),
  )
  let files: string[]
  beforeAll(async () => {
    files = (await readdir(api, { recursive: true })).filter((file) => file.endsWith(".ts"))
  })

  it.each(PROBLEM_CODES)("is in the API's description: %s", (code) => {
    const isDescribed = ofOperations.some((codes) => codes.has(code))
    const hint = `name it in the problems(…) of a route that answers ${code}, then run \`pnpm client:generate\``
    expect(isDescribed ? undefined : hint).toBeUndefined()
  })

  it("is described by the route that answers with it", () => {
    const [first = new Set<string>(), ...others] = ofOperations
    const ofAnyOperation = others.reduce((common, codes) => common.intersection(codes), first)
    const undescribed = files.flatMap((file) => {
      const source = readFileSync(join(api, file), "utf8")
      const described = source.match(/\bproblems\([^)]*\)/g)?.join("") ?? ""
      // Others answer for routes that are in other files.
      if (described === "") return []
      const sent = codesSent(source)
      return sent
        .filter((code) => !ofAnyOperation.has(code) && !described.includes(`"${code}"`))
        .map((code) => `${file} answers ${code}, which no problems(…) of it has`)
    })
    expect(undescribed).toEqual([])
  })

  it("of a 429 is sent by a file that sets the RateLimit fields", () => {
    const silent = files.filter((file) => {
      const source = readFileSync(join(api, file), "utf8")
      const isLimit = codesSent(source).some(
        (code) => problemOf(code as ProblemCode).status === 429,
      )
      return isLimit && !/\b(setRateLimitHeaders|tellAttempts)\(/.test(source)
    })
    expect(silent).toEqual([])
  })
})
