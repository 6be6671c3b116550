const NO_KNOWN = "no order it knows was polled: name one with --order, or --register some"
const NO_STATUS = "no such answer came: name an order of that status with --order"
const NOT_REFUSED = "it refused nothing: --limit-within polls until it does, which spends its quota"
const NOT_REGISTERED = "it was not tried: --register does, which changes the scoring system"

/** The rules of the protocol, in the order they are reported, and why one is usually not seen. */
export const CHECKS = {
  answered: {
    title: "answers every poll in full, in time",
    notSeen: "nothing was polled",
  },
  keep_alive: { title: "keeps connections", notSeen: "no two polls in a row were answered" },
  no_redirect: { title: "does not redirect", notSeen: "no answer was a 2xx, 4xx or 5xx" },
  no_compression: { title: "does not compress unasked", notSeen: NO_KNOWN },
  unknown: {
    title: "an unknown order is a 204 without a body",
    notSeen: "no poll of a number made up was answered",
  },
  known: { title: "a known order is a 200", notSeen: NO_KNOWN },
  json: { title: "a 200 is a JSON object, and declared as one", notSeen: NO_KNOWN },
  echo: { title: "a 200 has the number polled, as a string", notSeen: NO_KNOWN },
  leading_zeros: {
    title: "leading zeros of a number count",
    notSeen: "no number with leading zeros is known: name one with --order, or --register some",
  },
  long_numbers: {
    title: "a number may have 255 digits",
    notSeen: "no poll of such a number was answered",
  },
  status: { title: "a status is one of the four", notSeen: NO_KNOWN },
  registered: { title: "REGISTERED, and no verdict yet", notSeen: NO_STATUS },
  processing: { title: "PROCESSING, and no verdict yet", notSeen: NO_STATUS },
  invalid: { title: "INVALID is a verdict", notSeen: NO_STATUS },
  processed: { title: "PROCESSED is a verdict", notSeen: NO_STATUS },
  accrual: {
    title: "an accrual is a number, 0 to 10^9, two decimals",
    notSeen: "no accrual came: name an order that earned points with --order, or --register some",
  },
  accrual_place: {
    title: "an accrual comes with PROCESSED only",
    notSeen: "no other status came: name an order that is not PROCESSED with --order",
  },
  verdict_stays: {
    title: "a verdict stays what it was",
    notSeen: "no verdict came: name an order that has one with --order, or --register some",
  },
  limit: { title: "polled too often, it answers 429", notSeen: NOT_REFUSED },
  retry_after: { title: "Retry-After says when to poll again", notSeen: NOT_REFUSED },
  limit_sentence: { title: "a 429 says how many requests a minute", notSeen: NOT_REFUSED },
  limit_ends: { title: "after Retry-After it answers again", notSeen: NOT_REFUSED },
  registration: { title: "goods and orders can be registered", notSeen: NOT_REGISTERED },
  reward: { title: "an order earns what its goods say", notSeen: NOT_REGISTERED },
} as const

export type CheckId = keyof typeof CHECKS
