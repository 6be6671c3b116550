import type { Duplex } from "node:stream"
import { classifyError } from "@gofermart/shared/db/errors.ts"
import { TRANSFER_ENCODING_RULE } from "@gofermart/shared/http/protocol.ts"
import {
  answerLast,
  lingerWhenClosing,
  refuseNoHttp,
  rememberRequests,
} from "@gofermart/shared/http/last-answer.ts"
import { BatcherFullError } from "@gofermart/shared/runtime/batcher.ts"
import { reasonOf } from "@gofermart/shared/runtime/reason-of.ts"
import { BodyError } from "@gofermart/shared/http/json-body.ts"
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from "fastify"
import { type Defect, findDefects } from "./defects.ts"
import { describeProblem, PROBLEM_TYPE, type ProblemCode, sendProblem } from "./problems.ts"

/** Too many requests of one kind wait already. */
export class OverloadedError extends Error {
  override name = "OverloadedError"
}

const METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]

/** Maps everything that can go wrong on the way to an answer to a problem. */
export function answerErrors(app: FastifyInstance): void {
  rememberRequests(app.server)
  lingerWhenClosing(app.server)
  app.setErrorHandler<FastifyError>((error, request, reply) => answerError(error, request, reply))
  app.setNotFoundHandler((request, reply) => answerNoRoute(app, request, reply))
}

/** Answers what no route takes before its body is looked at, whatever method and body it has. */
export function refuseWithoutRoute(app: FastifyInstance): void {
  app.addHook("onRequest", (request, reply, done) => {
    if (request.is404) return void answerNoRoute(app, request, reply)
    return done()
  })
}

function answerNoRoute(
  app: FastifyInstance,
  request: FastifyRequest,
  reply: FastifyReply,
): FastifyReply {
  const url = request.url.split("?", 1)[0] ?? ""
  const allowed = METHODS.filter((method) => app.findRoute({ method, url }) !== null)
  if (allowed.length === 0) return sendProblem(reply, "not_found")
  return sendProblem(reply.header("allow", allowed.join(", ")), "method_not_allowed")
}

/** Answers errors that come up before a route is known, such as a bad percent-encoding. */
export function answerError(
  error: FastifyError,
  request: FastifyRequest,
  reply: FastifyReply,
): FastifyReply {
  const code = problemCode(error)
  if (code === "internal") request.log.error({ err: error }, "a request failed")
  if (code === "unavailable") {
    // Many requests fail at once, for a reason that is in no line of ours.
    request.log.warn({ reason: reasonOf(error) }, "the database is not available")
  }
  // A list that fails before its first piece has set its own.
  reply.removeHeader("etag")
  // A client that is still sending would not see the answer on a connection that closes.
  if (code === "body_too_large") reply.removeHeader("connection")
  if (code !== "malformed_request") return sendProblem(reply, code)
  return sendProblem(reply, code, whatIsWrong(error, request))
}

function problemCode(error: FastifyError): ProblemCode {
  if (error instanceof BatcherFullError || error instanceof OverloadedError) return "overloaded"
  if (error.code === "FST_ERR_HANDLER_TIMEOUT") return "overloaded"
  const status = error.statusCode
  if (status === 413) return "body_too_large"
  if (status !== undefined && status >= 400 && status < 500) return "malformed_request"
  const fault = classifyError(error)
  if (fault === "locked") return "overloaded"
  return fault === "defect" || fault === "data" ? "internal" : "unavailable"
}

/** What an error's own message would say of a request has words in it that are for developers. */
const DETAIL_BY_ERROR: Record<string, string> = {
  FST_ERR_BAD_URL: "The address has a percent sign that begins no character encoded in UTF-8.",
  FST_ERR_MAX_PARAM_LENGTH: "A part of the address is too long.",
  FST_ERR_CTP_INVALID_MEDIA_TYPE: "The body is not of the content type this operation takes.",
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: "The body is not as long as the header content-length says.",
  FST_ERR_CTP_EMPTY_JSON_BODY: "The body is empty.",
  FST_ERR_CTP_INVALID_JSON_BODY: "The body is not JSON, or has a key that no JSON body may have.",
  FST_CP_ERR_INVALID_CONTENT_ENCODING:
    "The header content-encoding must be one of zstd, br, gzip and deflate.",
  FST_CP_ERR_INVALID_CONTENT:
    "The body is not in the coding that the header content-encoding names.",
}

function whatIsWrong(error: FastifyError, request: FastifyRequest): string | Defect[] | undefined {
  if (error.validation !== undefined) return findDefects(request, error)
  return error instanceof BodyError ? error.message : DETAIL_BY_ERROR[error.code]
}

const CODE_BY_PARSER_ERROR: Record<string, ProblemCode> = {
  HPE_HEADER_OVERFLOW: "headers_too_large",
  ERR_HTTP_REQUEST_TIMEOUT: "request_timeout",
}

/** What the parser refuses of a header before it is one of a request's. */
const DETAIL_BY_PARSER_ERROR: Record<string, string> = {
  HPE_UNEXPECTED_CONTENT_LENGTH:
    "The header content-length may be sent once, and was sent more often.",
  HPE_INVALID_CONTENT_LENGTH:
    "The header content-length must be a whole number, and must not come with transfer-encoding.",
  HPE_INVALID_TRANSFER_ENCODING: TRANSFER_ENCODING_RULE,
}

/** Answers what is not HTTP, on the bare socket. */
export const answerParserError = refuseNoHttp((socket, code) => {
  const problem = CODE_BY_PARSER_ERROR[code] ?? "malformed_request"
  refuseOnSocket(socket, problem, DETAIL_BY_PARSER_ERROR[code])
})

/** Answers what is no request, as `describeProblem` has it. */
export function refuseOnSocket(socket: Duplex, code: ProblemCode, detail?: string): void {
  const problem = describeProblem(code, { id: crypto.randomUUID(), path: "" }, detail)
  answerLast(socket, {
    status: problem.status,
    type: PROBLEM_TYPE,
    body: JSON.stringify(problem),
    headers: { "X-Request-Id": problem.request_id },
  })
}
