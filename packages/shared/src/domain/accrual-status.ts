/**
 * Where an order's accrual stands.
 *
 *     NEW ──upload──► PROCESSING ──verdict──► PROCESSED | INVALID        (for ever)
 *                      ▲      └──unknown for the grace time──► UNREGISTERED
 *                      └────────────────upload───────────────────┘  └──verdict──► as above
 *
 * NEW: only a withdrawal has named the order; nobody asks about it. UNREGISTERED is our guess, not a
 * verdict: the scoring system went on answering that it does not know the order.
 */
export type AccrualStatus = "NEW" | "PROCESSING" | "PROCESSED" | "INVALID" | "UNREGISTERED"

/** What a client is told. An order in NEW is in no list of uploads. */
export type ClientStatus = "NEW" | "PROCESSING" | "PROCESSED" | "INVALID"

export function toClientStatus(status: AccrualStatus): ClientStatus {
  return status === "UNREGISTERED" ? "INVALID" : status
}
