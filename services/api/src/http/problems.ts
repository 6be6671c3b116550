import { EXPECT_RULE } from "@gofermart/shared/http/protocol.ts"
import type { FastifyReply } from "fastify"
import type { Defect } from "./defects.ts"

/**
 * Every refusal there is: its stable code, its status, and its sentence. A client may rely on the
 * first two; the sentence is for people.
 */
const PROBLEMS = {
  malformed_request: [400, "The request is not of the form this operation takes."],
  guessable_password: [
    400,
    "This password is a common one, or the login itself; choose another one.",
  ],
  unauthenticated: [401, "A valid token is needed; register or log in to get one."],
  wrong_credentials: [401, "The login and the password do not belong together."],
  not_enough_points: [402, "The balance does not cover this withdrawal."],
  cross_site: [403, "A cookie does not authenticate what another site's page asks for."],
  wrong_password: [403, "The present password is a different one."],
  not_found: [404, "There is nothing at this address."],
  order_not_found: [404, "You have uploaded no order of this number."],
  method_not_allowed: [405, "This address does not take this method."],
  login_taken: [409, "Somebody has registered this login already."],
  order_taken: [409, "Another user has uploaded this order already."],
  body_too_large: [413, "The body is larger than this operation takes."],
  expectation_failed: [417, EXPECT_RULE],
  invalid_order_number: [422, "This is not a valid order number."],
  order_not_yours: [422, "Points can only be spent on an order of your own."],
  invalid_sum: [
    422,
    "The sum must be positive, at most 90071992547409.91, and have at most two decimals.",
  ],
  idempotency_key_reused: [422, "This Idempotency-Key stands for another withdrawal."],
  request_timeout: [408, "The request did not arrive in time."],
  headers_too_large: [431, "The request's headers are larger than this server takes."],
  too_many_at_once: [429, "Too many logins from your network are under way; try again shortly."],
  too_many_attempts: [429, "Too many logins have failed; try again later."],
  too_many_registrations: [429, "Too many users have registered from this address; try later."],
  too_many_unfinished_orders: [429, "Too many of your orders still wait for their points."],
  too_many_streams: [429, "Too many accounts are followed from your network at once."],
  internal: [500, "Something went wrong on our side."],
  overloaded: [503, "There is more to do than can be done right now; try again shortly."],
  unavailable: [503, "The service cannot reach its database; try again shortly."],
} as const satisfies Record<string, readonly [status: number, sentence: string]>

export type ProblemCode = keyof typeof PROBLEMS
export const PROBLEM_CODES = Object.keys(PROBLEMS) as ProblemCode[]

export const PROBLEM_TYPE = "application/problem+json"

/** After how long a client that got a 503 may try again. */
const RETRY_AFTER_S = 1

/** RFC 9457, and the code and the request's id. */
export interface Problem {
  type: string
  title: string
  status: number
  detail?: string
  errors?: Defect[]
  instance: string
  code: ProblemCode
  request_id: string
}

/** `about`: what there is to say of this case beyond the code's sentence. */
export function describeProblem(
  code: ProblemCode,
  request: { id: string; path: string },
  about?: string | Defect[],
): Problem {
  const { status, sentence } = problemOf(code)
  return {
    type: `urn:gofermart:problem:${code}`,
    title: sentence,
    status,
    ...(typeof about === "string" ? { detail: about } : {}),
    ...(Array.isArray(about) ? { errors: about } : {}),
    instance: request.path,
    code,
    request_id: request.id,
  }
}

/** The status and the sentence of a code. */
export function problemOf(code: ProblemCode): { status: number; sentence: string } {
  const [status, sentence] = PROBLEMS[code]
  return { status, sentence }
}

/** Answers a request with a refusal; `about` as `describeProblem` has it. */
export function sendProblem(
  reply: FastifyReply,
  code: ProblemCode,
  about?: string | Defect[],
): FastifyReply {
  const { request } = reply
  const path = request.url.split("?", 1)[0] ?? ""
  const problem = describeProblem(code, { id: request.id, path }, about)
  if (problem.status === 503) reply.header("retry-after", RETRY_AFTER_S)
  // RFC 9110, section 15.5.2.
  if (problem.status === 401) reply.header("www-authenticate", "Bearer")
  return (
    reply
      .code(problem.status)
      // Errors that come up before a route is known pass no hook that would set it.
      .header("x-request-id", request.id)
      .type(PROBLEM_TYPE)
      .serializer((payload: unknown) => JSON.stringify(payload))
      .send(problem)
  )
}
