import { Type } from "typebox"
import { LIMIT_HEADERS } from "./rate-limit-headers.ts"
import { PROBLEM_TYPE, type ProblemCode, problemOf } from "./problems.ts"

const DEFECT_EXAMPLE = { detail: "The field login is missing.", pointer: "#/login" }

const DefectSchema = Type.Object({
  detail: Type.String({ description: "what is wrong, in a sentence" }),
  pointer: Type.Optional(
    Type.String({ description: "the place in the body: a JSON Pointer as a URI fragment" }),
  ),
  parameter: Type.Optional(Type.String({ description: "the parameter" })),
  header: Type.Optional(Type.String({ description: "the header" })),
})

export const ProblemSchema = Type.Object(
  {
    type: Type.String({ description: "a URN of the code" }),
    title: Type.String({ description: "the code in a sentence" }),
    status: Type.Integer(),
    detail: Type.Optional(
      Type.String({ description: "what the title does not say about this case" }),
    ),
    errors: Type.Optional(
      Type.Array(DefectSchema, { description: "what is wrong with which parts of the request" }),
    ),
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

/** Refusals that come up before a request is read as one to an operation. */
const BEFORE_ANY_OPERATION: ProblemCode[] = [
  "malformed_request",
  "not_found",
  "method_not_allowed",
  "request_timeout",
  "body_too_large",
  "expectation_failed",
  "headers_too_large",
]

/** Refusals that any operation may answer with. */
const OF_EVERY_OPERATION: ProblemCode[] = [
  ...BEFORE_ANY_OPERATION,
  "internal",
  "overloaded",
  "unavailable",
]
/** Refusals that come with what is left of the attempts. */
const COUNTED: ProblemCode[] = ["login_taken", "wrong_credentials", "wrong_password"]
const ALLOW = { allow: { type: "string", description: "the methods that the address takes" } }
const CHALLENGE = { "www-authenticate": { type: "string", description: "`Bearer`" } }
const RETRY_AFTER = {
  "retry-after": { type: "integer", description: "seconds until it may be tried again" },
}

/** Describes the refusals of an operation, each with its status, code and an example. */
export function problems(...codes: ProblemCode[]): Record<number, object> {
  return describeRefusals([...codes, ...OF_EVERY_OPERATION])
}

/** The refusals of an operation that reads nothing of a request. */
export const PROBE_PROBLEMS = describeRefusals(BEFORE_ANY_OPERATION)

function describeRefusals(codes: ProblemCode[]): Record<number, object> {
  const byStatus = Map.groupBy(new Set(codes), (code) => problemOf(code).status)
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
      ...(status === 429 || codes.some((code) => COUNTED.includes(code)) ? LIMIT_HEADERS : {}),
      ...(status === 401 ? CHALLENGE : {}),
      ...(status === 405 ? ALLOW : {}),
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
    ...(code === "malformed_request" ? { errors: [DEFECT_EXAMPLE] } : {}),
    instance: "/api/user/…",
    code,
    request_id: "146b970a-0120-419e-b82c-f9053d9fda32",
  }
}

/** What a conditional read answers while nothing has changed. */
export function notModified(headers: object): object {
  return { ...nothing("it is as `If-None-Match` has it"), headers }
}

/** An answer without a body. */
export function nothing(description: string): object {
  return { type: "null", description }
}
