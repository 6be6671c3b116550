import { expect } from "vitest"

/** A refusal has its status, its code and a sentence, in the form of RFC 9457, and says no more. */
export async function expectProblem(
  response: Response,
  status: number,
  code: string,
): Promise<Record<string, unknown>> {
  const problem = (await response.json()) as Record<string, unknown>
  expect({ status: response.status, code: problem["code"] }).toEqual({ status, code })
  expect(response.headers.get("content-type")).toBe("application/problem+json")
  expect(problem).toEqual({
    type: `urn:gofermart:problem:${code}`,
    title: expect.stringMatching(/^[A-Z].*\.$/),
    status,
    detail: expect.stringMatching(/^[A-Z].*\.$/),
    instance: expect.any(String),
    code,
    request_id: response.headers.get("x-request-id"),
  })
  return problem
}
