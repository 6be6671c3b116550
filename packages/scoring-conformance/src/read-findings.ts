import { isCompressed } from "@gofermart/scoring-client/answer.ts"
import type { Received } from "@gofermart/scoring-client/observe.ts"
import {
  ORDER_WAIT_MAX_MS,
  PAUSE_MAX_MS,
  parseRetryAfter,
} from "@gofermart/scoring-client/retry-after.ts"
import { ORDER_NUMBER_LENGTH_MAX } from "@gofermart/shared/domain/order-number.ts"
import { readOrderFindings } from "./order-findings.ts"
import { type Poll, type Finding, findingOf } from "./finding.ts"

/** What one poll shows of the protocol, by itself. */
export function readFindings(poll: Poll): Finding[] {
  const { answer, received } = poll.observation
  if (received === undefined) {
    const reason = "reason" in answer ? answer.reason : "no answer"
    return [findingOf(poll, "answered", reason)]
  }
  const { status } = received.response
  if (status >= 500) {
    return [findingOf(poll, "answered", `it answered ${status}`), ...readRetryAfter(poll)]
  }
  if (status >= 300 && status < 400) {
    const to = received.headers.location ?? "nowhere"
    return [
      findingOf(poll, "answered"),
      findingOf(poll, "no_redirect", `it leads to ${to}`),
      ...readRetryAfter(poll),
    ]
  }
  const found = [findingOf(poll, "answered"), findingOf(poll, "no_redirect")]
  if (status === 429) return [...found, ...readCompression(poll, received), ...readRefusal(poll)]
  return [
    ...found,
    ...readCompression(poll, received),
    ...readKnowledge(poll, received),
    ...readRetryAfter(poll),
  ]
}

/** Any answer may have one; a 429 must. */
function readRetryAfter(poll: Poll): Finding[] {
  const isThere = poll.observation.received?.response.retryAfter !== undefined
  return isThere ? [findingOf(poll, "retry_after", violationOfRetryAfter(poll))] : []
}

function readCompression(poll: Poll, { response }: Received): Finding[] {
  if (isCompressed(response)) {
    return [findingOf(poll, "no_compression", `it is compressed with ${response.contentEncoding}`)]
  }
  return response.body === "" ? [] : [findingOf(poll, "no_compression")]
}

function readKnowledge(poll: Poll, received: Received): Finding[] {
  const { response } = received
  const { status } = response
  const isReadable = status === 200 && !isCompressed(response)
  const order = isReadable ? readOrderFindings(poll, response) : []
  switch (poll.expected) {
    case "known":
      return [
        findingOf(poll, "known", status === 200 ? undefined : `it answered ${status}`),
        ...order,
      ]
    case "unknown":
      return [
        findingOf(poll, "unknown", violationOfUnknown(received)),
        ...(poll.number.length === ORDER_NUMBER_LENGTH_MAX && status !== 200
          ? [findingOf(poll, "long_numbers", status === 204 ? undefined : `it answered ${status}`)]
          : []),
        ...order,
      ]
    case "shorter":
      return status === 200
        ? [findingOf(poll, "leading_zeros", "it knows the number without its zeros, too"), ...order]
        : []
  }
}

function violationOfUnknown({ response, headers }: Received): string | undefined {
  if (response.status === 200) return "it knows a number made up just now"
  if (response.status !== 204) return `it answered ${response.status}, not 204`
  const length = headers["content-length"] ?? "0"
  const isAnnounced = length !== "0" || headers["transfer-encoding"] !== undefined
  return isAnnounced ? "it announces a body" : undefined
}

function readRefusal(poll: Poll): Finding[] {
  return [
    findingOf(poll, "limit"),
    findingOf(poll, "retry_after", violationOfRetryAfter(poll)),
    findingOf(poll, "limit_sentence", violationOfSentence(poll)),
  ]
}

function violationOfRetryAfter({ observation, at }: Poll): string | undefined {
  const header = observation.received?.response.retryAfter
  if (header === undefined) return "there is no Retry-After"
  const ms = parseRetryAfter(header, at)
  if (ms === undefined) return `Retry-After is ${JSON.stringify(header)}: no seconds, no HTTP date`
  if (ms <= 0) return `Retry-After is ${JSON.stringify(header)}, which is at once`
  const isRefusal = observation.answer.kind === "too_many_requests"
  return ms > (isRefusal ? PAUSE_MAX_MS : ORDER_WAIT_MAX_MS)
    ? `Retry-After is ${JSON.stringify(header)}, longer than ${isRefusal ? "any pause" : "any wait"} of ours`
    : undefined
}

function violationOfSentence({ observation: { answer, received } }: Poll): string | undefined {
  if (answer.kind !== "too_many_requests" || answer.limitPerMinute === undefined) {
    return 'the body is not "No more than N requests per minute allowed"'
  }
  const type = received?.response.contentType
  return /^text\/plain\s*(;|$)/i.test(type ?? "")
    ? undefined
    : `it is declared as ${type ?? "nothing"}, not as text/plain`
}
