import { expect } from "vitest"

const SENTENCE = /^[A-Z][^\n]*\.$/

/** A refusal has its status, its code and a sentence, in the form of RFC 9457, and says nothing twice. */
export async function expectProblem(
  response: Response,
  status: number,
  code: string,
): Promise<Record<string, unknown>> {
  const problem = (await response.json()) as Record<string, unknown>
  expect({ status: response.status, code: problem["code"] }).toEqual({ status, code })
  expect(response.headers.get("content-type")).toBe("application/problem+json")
  const { title, detail, errors } = problem
  expect(problem).toEqual({
    type: `urn:gofermart:problem:${code}`,
    title: expect.stringMatching(SENTENCE),
    status,
    ...(detail === undefined ? {} : { detail: expect.stringMatching(SENTENCE) }),
    ...(errors === undefined ? {} : { errors: expect.any(Array) }),
    instance: expect.any(String),
    code,
    request_id: response.headers.get("x-request-id"),
  })
  expect(detail).not.toBe(title)
  for (const error of (errors ?? []) as { detail: string }[]) {
    expect(error.detail).toMatch(SENTENCE)
    // Which part of the request it is about.
    expect(Object.keys(error)).toHaveLength(2)
  }
  return problem
}

/** All that a refusal says of its case. */
export async function saidBy(refusal: Response): Promise<string> {
  const { detail = "", errors = [] } = (await refusal.clone().json()) as {
    detail?: string
    errors?: { detail: string }[]
  }
  return [detail, ...errors.map((error) => error.detail)].join(" ").trim()
}
