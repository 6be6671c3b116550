import type { FastifyReply } from "fastify"

/**
 * Every refusal there is: its stable code, its status, and its sentence. A client may rely on the
 * first two; the sentence is for people.
 */
const PROBLEMS = {
  malformed_request: [400, "The request is not of the form this operation takes."],
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
  invalid_order_number: [422, "This is not a valid order number."],
  order_not_yours: [422, "Points can only be spent on an order of your own."],
  invalid_sum: [422, "The sum must be positive and have at most two decimals."],
  idempotency_key_reused: [422, "This Idempotency-Key stands for another withdrawal."],
  request_timeout: [408, "The request did not arrive in time."],
  headers_too_large: [431, "The request's headers are larger than this server takes."],
  too_many_attempts: [429, "Too many logins have failed; try again later."],
  too_many_registrations: [429, "Too many users have registered from this address; try later."],
  too_many_unfinished_orders: [429, "Too many of your orders still wait for their points."],
  too_many_streams: [429, "You follow your account in too many places at once."],
  internal: [500, "Something went wrong on our side."],
  overloaded: [503, "There is more to do than can be done right now; try again shortly."],
  unavailable: [503, "The service cannot reach its database; try again shortly."],
} as const satisfies Record<string, readonly [status: number, sentence: string]>

export type ProblemCode = keyof typeof PROBLEMS

export const PROBLEM_TYPE = "application/problem+json"

/** After how long a client that got a 503 may try again. */
const RETRY_AFTER_S = 1

/** RFC 9457, and the code and the request's id. */
export interface Problem {
  type: string
  title: string
  status: number
  detail: string
  instance: string
  code: ProblemCode
  request_id: string
}

export function describeProblem(
  code: ProblemCode,
  request: { id: string; path: string },
  detail?: string,
): Problem {
  const { status, sentence } = problemOf(code)
  return {
    type: `urn:gofermart:problem:${code}`,
    title: sentence,
    status,
    detail: detail ?? sentence,
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

/** Answers a request with a refusal. `detail` says more about this case than the code's sentence. */
export function sendProblem(reply: FastifyReply, code: ProblemCode, detail?: string): FastifyReply {
  const { request } = reply
  const path = request.url.split("?", 1)[0] ?? ""
  const problem = describeProblem(code, { id: request.id, path }, detail)
  if (problem.status === 503) reply.header("retry-after", RETRY_AFTER_S)
  if (code === "unauthenticated") reply.header("www-authenticate", "Bearer")
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
