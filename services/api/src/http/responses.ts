import { Type } from "typebox"
import { LIMIT_HEADERS } from "./limit-fields.ts"
import { PROBLEM_TYPE, type ProblemCode, problemOf } from "./problems.ts"

export const ProblemSchema = Type.Object(
  {
    type: Type.String({ description: "a URN of the code" }),
    title: Type.String({ description: "the code in a sentence" }),
    status: Type.Integer(),
    detail: Type.String({ description: "what there is to say about this case" }),
    instance: Type.String({ description: "the path that was asked for" }),
    code: Type.String({ description: "stable: the one to decide by" }),
    request_id: Type.String({ description: "also in x-request-id, and in the logs" }),
  },
  {
    $id: "Problem",
    description: "A refusal, in the form of RFC 9457.",
    examples: [example("not_enough_points")],
  },
)

/** Refusals that any operation may answer with. */
const OF_EVERY_OPERATION: ProblemCode[] = [
  "malformed_request",
  "internal",
  "overloaded",
  "unavailable",
]
const RETRY_AFTER = {
  "retry-after": { type: "integer", description: "seconds until it may be tried again" },
}

/** Describes the refusals of an operation, each with its status, code and an example. */
export function problems(...codes: ProblemCode[]): Record<number, object> {
  const byStatus = Map.groupBy([...codes, ...OF_EVERY_OPERATION], (code) => problemOf(code).status)
  return Object.fromEntries(
    [...byStatus].map(([status, ofStatus]) => [status, describeRefusal(status, ofStatus)]),
  )
}

function describeRefusal(status: number, codes: ProblemCode[]) {
  const examples = codes.map((code) => [code, { value: example(code) }])
  return {
    description: codes.map((code) => `\`${code}\`: ${problemOf(code).sentence}`).join("\n\n"),
    headers: {
      ...(status === 429 || status === 503 ? RETRY_AFTER : {}),
      ...(status === 429 ? LIMIT_HEADERS : {}),
    },
    content: {
      [PROBLEM_TYPE]: {
        schema: {
          allOf: [
            { $ref: "Problem#" },
            Type.Object({ code: Type.Enum(codes, { type: "string" }) }),
          ],
        },
        examples: Object.fromEntries(examples),
      },
    },
  }
}

function example(code: ProblemCode) {
  const { status, sentence } = problemOf(code)
  return {
    type: `urn:gofermart:problem:${code}`,
    title: sentence,
    status,
    detail: sentence,
    instance: "/api/user/…",
    code,
    request_id: "146b970a-0120-419e-b82c-f9053d9fda32",
  }
}

/** What a conditional read answers while nothing has changed. */
export const NOT_MODIFIED = nothing("it is as `If-None-Match` has it")

/** An answer without a body. */
export function nothing(description: string): object {
  return { type: "null", description }
}
