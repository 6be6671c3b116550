/**
 * Where an order's accrual stands.
 *
 *     NEW ──upload──► PROCESSING ──verdict──► PROCESSED | INVALID        (for ever)
 *                      ▲      └──unknown for the grace time──► UNREGISTERED
 *                      └────────────────upload───────────────────┘  └──verdict──► as above
 *
 * NEW: only a withdrawal has named the order; it is not polled. UNREGISTERED is our guess, not a
 * verdict: the scoring system went on answering that it does not know the order.
 */
export type AccrualStatus = "NEW" | "PROCESSING" | "PROCESSED" | "INVALID" | "UNREGISTERED"

/** What a client is told, in the order of the API's description. */
export const CLIENT_STATUSES = ["NEW", "PROCESSING", "INVALID", "PROCESSED"] as const
export type ClientStatus = (typeof CLIENT_STATUSES)[number]

interface StatusRules {
  /** What a client is told. */
  shownAs: ClientStatus
  /** Whether the order was uploaded: it is in its user's list. */
  isListed: boolean
  /** Whether the order is polled. */
  isPolled: boolean
  /** Whether an upload by its user makes it polled. */
  isReopenable: boolean
  /**
   * The answer of the scoring system that settles an order so; null for an order that is not settled.
   * A settled order has a version and the balance after it, and its client waits no longer.
   */
  settledBy: "PROCESSED" | "INVALID" | "NOT_REGISTERED" | null
  /** Whether no upload and no answer changes it: one that differs is a contradiction. */
  isFinal: boolean
  /** Whether the order has a value, which may be zero. */
  hasValue: boolean
}

/**
 * All that differs from status to status. SQL says some of it in its own words: CHECKs, the functions
 * of the ledger. tests/ledger/accrual-status.test.ts compares them with this.
 */
export const STATUS_RULES = {
  NEW: {
    shownAs: "NEW",
    isListed: false,
    isPolled: false,
    isReopenable: true,
    settledBy: null,
    isFinal: false,
    hasValue: false,
  },
  PROCESSING: {
    shownAs: "PROCESSING",
    isListed: true,
    isPolled: true,
    isReopenable: false,
    settledBy: null,
    isFinal: false,
    hasValue: false,
  },
  PROCESSED: {
    shownAs: "PROCESSED",
    isListed: true,
    isPolled: false,
    isReopenable: false,
    settledBy: "PROCESSED",
    isFinal: true,
    hasValue: true,
  },
  INVALID: {
    shownAs: "INVALID",
    isListed: true,
    isPolled: false,
    isReopenable: false,
    settledBy: "INVALID",
    isFinal: true,
    hasValue: false,
  },
  UNREGISTERED: {
    shownAs: "INVALID",
    isListed: true,
    isPolled: false,
    isReopenable: true,
    settledBy: "NOT_REGISTERED",
    isFinal: false,
    hasValue: false,
  },
} as const satisfies Record<AccrualStatus, StatusRules>

/** A status that an answer of the scoring system has settled an order with. */
export type SettledStatus = {
  [Status in AccrualStatus]: (typeof STATUS_RULES)[Status]["settledBy"] extends null
    ? never
    : Status
}[AccrualStatus]

export const POLLED_STATUSES = statusesWhere(({ isPolled }) => isPolled)
export const SETTLED_STATUSES = statusesWhere(({ settledBy }) => settledBy !== null)

/** The statuses for which the rules say so, as `STATUS_RULES` orders them. */
export function statusesWhere(isSo: (rules: StatusRules) => boolean): AccrualStatus[] {
  const statuses = Object.keys(STATUS_RULES) as AccrualStatus[]
  return statuses.filter((status) => isSo(STATUS_RULES[status]))
}

/** Whether an answer of the scoring system has settled the order: a client waits no longer. */
export function isSettled(status: AccrualStatus): boolean {
  return STATUS_RULES[status].settledBy !== null
}

export function toClientStatus(status: AccrualStatus): ClientStatus {
  return STATUS_RULES[status].shownAs
}
