import { Validator } from "@seriousme/openapi-schema-validator"
import { describe, expect, inject, it } from "vitest"
import { describedCodes } from "../harness/described.ts"
import { joinSharedSystem } from "../harness/shared-system.ts"
import { PROBLEM_CODES } from "../../services/api/src/http/problems.ts"

/** What needs no token. */
const OPEN = ["isAlive", "isReady", "registerUser", "logIn"]

describe("the API's description", () => {
  const openapi = inject("openapi")
  const operations = Object.values(openapi.paths).flatMap((methods) => Object.values(methods))

  it("is valid OpenAPI 3.1", async () => {
    const { valid, errors } = await new Validator().validate(structuredClone(openapi) as never)
    expect(errors ?? []).toEqual([])
    expect(valid).toBe(true)
    expect(openapi.openapi).toMatch(/^3\.1\./)
  })

  it("is what the API serves", async () => {
    const { apiUrl } = await joinSharedSystem()
    for (const encoding of ["gzip", "br"]) {
      const headers = { "accept-encoding": encoding }
      const served = await fetch(`${apiUrl}/openapi.json`, { headers })
      expect(served.headers.get("content-encoding")).toBe(encoding === "gzip" ? "gzip" : null)
      expect(await served.json()).toEqual(openapi)
    }
  })

  it("names, sums up and groups every operation", () => {
    expect(operations.length).toBeGreaterThan(12)
    for (const operation of operations) {
      expect(operation).toMatchObject({
        operationId: expect.stringMatching(/^[a-z][A-Za-z]+$/),
        summary: expect.stringMatching(/^[A-Z]/),
        tags: [expect.any(String)],
      })
    }
    const ids = operations.map(({ operationId }) => operationId)
    expect(ids).toEqual([...new Set(ids)])
  })

  it("says which operations need a token, and that they answer 401 without one", () => {
    const needing = operations.filter(({ operationId }) => !OPEN.includes(operationId))
    for (const operation of needing) {
      expect(operation).toMatchObject({ security: [{ bearer: [] }, { cookie: [] }] })
      expect(describedCodes(operation)).toContain("unauthenticated")
    }
  })

  it("has for every operation what can be wrong before it is known to be one", () => {
    for (const { operationId, responses } of operations) {
      const statuses = Object.keys(responses).map(Number)
      expect({ operationId, statuses }).toEqual({
        operationId,
        statuses: expect.arrayContaining([400, 404, 405, 408, 413, 417, 431]),
      })
      expect(responses["405"]?.headers).toHaveProperty("allow")
    }
  })

  it("has every code that there is", () => {
    const described = operations.flatMap(describedCodes)
    const elsewhere = [...openapi.info.description.matchAll(/`(\w+)`/g)].map(([, code]) => code)
    const isNamed = new Set<string | undefined>([...described, ...elsewhere, "Problem", "code"])
    expect(PROBLEM_CODES.length).toBeGreaterThan(20)
    expect(PROBLEM_CODES.filter((code) => !isNamed.has(code))).toEqual([])
  })

  it("has an example for every schema and for every code of every refusal", () => {
    for (const [name, schema] of Object.entries(openapi.components.schemas)) {
      expect({ name, ...schema }).toHaveProperty("examples")
    }
    for (const { operationId, responses } of operations) {
      for (const [status, { content }] of Object.entries(responses)) {
        if (Number(status) < 400 || operationId === "isReady") continue
        const examples = content?.["application/problem+json"]?.examples ?? {}
        expect({ operationId, status, codes: Object.keys(examples).length }).not.toMatchObject({
          codes: 0,
        })
        for (const [code, { value }] of Object.entries(examples)) {
          expect(value).toMatchObject({ code, status: Number(status) })
        }
      }
    }
  })
})
