import { isCompressed } from "@gofermart/scoring-client/answer.ts"
import type { Received } from "@gofermart/scoring-client/observe.ts"
import { PAUSE_MAX_MS, parseRetryAfter } from "@gofermart/scoring-client/retry-after.ts"
import { ORDER_NUMBER_LENGTH_MAX } from "@gofermart/shared/domain/order-number.ts"
import { readOrderSigns } from "./order-signs.ts"
import { type Asked, type Sign, signOf } from "./sign.ts"

/** What one question shows of the protocol, by itself. */
export function readSigns(asked: Asked): Sign[] {
  const { answer, received } = asked.observation
  if (received === undefined) {
    const reason = "reason" in answer ? answer.reason : "no answer"
    return [signOf(asked, "answered", reason)]
  }
  const { status } = received.response
  if (status >= 500) return [signOf(asked, "answered", `it answered ${status}`)]
  if (status >= 300 && status < 400) {
    const to = received.headers.location ?? "nowhere"
    return [signOf(asked, "answered"), signOf(asked, "no_redirect", `it leads to ${to}`)]
  }
  const signs = [signOf(asked, "answered"), signOf(asked, "no_redirect")]
  if (status === 429) return [...signs, ...readCompression(asked, received), ...readRefusal(asked)]
  return [...signs, ...readCompression(asked, received), ...readKnowledge(asked, received)]
}

function readCompression(asked: Asked, { response }: Received): Sign[] {
  if (isCompressed(response)) {
    return [signOf(asked, "no_compression", `it is compressed with ${response.contentEncoding}`)]
  }
  return response.body === "" ? [] : [signOf(asked, "no_compression")]
}

function readKnowledge(asked: Asked, received: Received): Sign[] {
  const { response } = received
  const { status } = response
  const isReadable = status === 200 && !isCompressed(response)
  const order = isReadable ? readOrderSigns(asked, response) : []
  switch (asked.expected) {
    case "known":
      return [
        signOf(asked, "known", status === 200 ? undefined : `it answered ${status}`),
        ...order,
      ]
    case "unknown":
      return [
        signOf(asked, "unknown", violationOfUnknown(received)),
        ...(asked.number.length === ORDER_NUMBER_LENGTH_MAX && status !== 200
          ? [signOf(asked, "long_numbers", status === 204 ? undefined : `it answered ${status}`)]
          : []),
        ...order,
      ]
    case "shorter":
      return status === 200
        ? [signOf(asked, "leading_zeros", "it knows the number without its zeros, too"), ...order]
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

function readRefusal(asked: Asked): Sign[] {
  return [
    signOf(asked, "limit"),
    signOf(asked, "retry_after", violationOfRetryAfter(asked)),
    signOf(asked, "limit_sentence", violationOfSentence(asked)),
  ]
}

function violationOfRetryAfter({ observation, at }: Asked): string | undefined {
  const header = observation.received?.response.retryAfter
  if (header === undefined) return "there is no Retry-After"
  const ms = parseRetryAfter(header, at)
  if (ms === undefined) return `Retry-After is ${JSON.stringify(header)}: no seconds, no HTTP date`
  if (ms <= 0) return `Retry-After is ${JSON.stringify(header)}, which is at once`
  return ms > PAUSE_MAX_MS
    ? `Retry-After is ${JSON.stringify(header)}, longer than any pause of ours`
    : undefined
}

function violationOfSentence({ observation: { answer, received } }: Asked): string | undefined {
  if (answer.kind !== "too_many_requests" || answer.limitPerMinute === undefined) {
    return 'the body is not "No more than N requests per minute allowed"'
  }
  const type = received?.response.contentType
  return /^text\/plain\s*(;|$)/i.test(type ?? "")
    ? undefined
    : `it is declared as ${type ?? "nothing"}, not as text/plain`
}
