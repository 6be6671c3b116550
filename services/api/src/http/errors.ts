import type { Socket } from "node:net"
import { databaseFault } from "@gofermart/shared/db/faults.ts"
import { BatcherFullError } from "@gofermart/shared/runtime/batcher.ts"
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from "fastify"
import { describeProblem, PROBLEM_TYPE, type ProblemCode, sendProblem } from "./problems.ts"

/** Too many requests of one kind wait already. */
export class OverloadedError extends Error {
  override name = "OverloadedError"
}

const METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]

/** Maps everything that can go wrong on the way to an answer to a problem. */
export function answerErrors(app: FastifyInstance): void {
  app.setErrorHandler<FastifyError>((error, request, reply) => answerError(error, request, reply))
  app.setNotFoundHandler((request, reply) => {
    const url = request.url.split("?", 1)[0] ?? ""
    const allowed = METHODS.filter((method) => app.findRoute({ method, url }) !== null)
    if (allowed.length === 0) return sendProblem(reply, "not_found")
    return sendProblem(reply.header("allow", allowed.join(", ")), "method_not_allowed")
  })
}

/** Answers errors that come up before a route is known, such as a bad percent-encoding. */
export function answerError(
  error: FastifyError,
  request: FastifyRequest,
  reply: FastifyReply,
): FastifyReply {
  const code = problemCode(error)
  if (code === "internal") request.log.error({ err: error }, "a request failed")
  if (code === "unavailable") request.log.warn({ err: error }, "the database is not available")
  // A client that is still sending would not see the answer on a connection that closes.
  if (code === "body_too_large") reply.removeHeader("connection")
  const detail = code === "malformed_request" ? sayWhat(error) : undefined
  return sendProblem(reply, code, detail)
}

function problemCode(error: FastifyError): ProblemCode {
  if (error instanceof BatcherFullError || error instanceof OverloadedError) return "overloaded"
  if (error.code === "FST_ERR_HANDLER_TIMEOUT") return "overloaded"
  const status = error.statusCode
  if (status === 413) return "body_too_large"
  if (status !== undefined && status >= 400 && status < 500) return "malformed_request"
  const fault = databaseFault(error)
  if (fault === "locked") return "overloaded"
  return fault === "defect" || fault === "data" ? "internal" : "unavailable"
}

// Only what validation says is known to hold nothing but the schema's own words.
function sayWhat(error: FastifyError): string | undefined {
  if (error.validation !== undefined) return `The ${error.message}.`
  if (error.code === "FST_ERR_CTP_INVALID_MEDIA_TYPE") {
    return "The body is not of the content type this operation takes."
  }
  return undefined
}

const CODE_BY_PARSER_ERROR: Record<string, ProblemCode> = {
  HPE_HEADER_OVERFLOW: "headers_too_large",
  ERR_HTTP_REQUEST_TIMEOUT: "request_timeout",
}

/** Answers what is not HTTP, on the bare socket. */
export function answerParserError(error: Error & { code?: string }, socket: Socket): void {
  if (error.code === "ECONNRESET" || !socket.writable) {
    socket.destroy()
    return
  }
  const code = CODE_BY_PARSER_ERROR[error.code ?? ""] ?? "malformed_request"
  const problem = describeProblem(code, { id: crypto.randomUUID(), path: "" })
  const body = JSON.stringify(problem)
  socket.end(
    `HTTP/1.1 ${problem.status} Refused\r\nConnection: close\r\nX-Request-Id: ${problem.request_id}\r\n` +
      `Content-Type: ${PROBLEM_TYPE}\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  )
}
