/** A place in the index that requeue looks in: by the end of the lease, then by the order's id. */
export interface Place {
  /** Microseconds since 1970, by the database's clock. */
  leaseEndUs: bigint
  orderId: bigint
}

/** The leases after one place, up to and with another one; without one, up to now. */
export interface Section {
  /** Without one, from the beginning. */
  after: Place | undefined
  upTo: Place | undefined
}

/** So many entries of orders that are settled by now a claim may have to read, and as many claimed ones. */
export const ORDERS_PER_SECTION = 5_000
/** More make one of the two oldest. */
const SECTIONS_MAX = 4_000

/**
 * The leases that are over, in sections that one claim each can read.
 *
 * An order that was settled leaves its entry in the index for as long as any snapshot may see it as it
 * was: during a backup for hours. A claim that began at the first entry would read all of them, each
 * time. So it begins where the last section does; and the earlier ones, in which an order is left only
 * when somebody held its row, or when it came late, are looked at again in turn.
 */
export class LeaseSections {
  /** In order. */
  #ends: Place[] = []
  #furthestOrderId = 0n
  #lookedAt: Place | undefined
  /** Up to where the earlier sections were looked at in this turn. */
  #lookedAtEarlier: Place | undefined
  /** Since a section last ended for that. */
  #claimed = 0

  /** The latest section begins after it. */
  get lastEnd(): Place | undefined {
    return this.#ends.at(-1)
  }

  /** A section ends with the lease of this order, and none with that of a later one. */
  get furthestOrderId(): bigint {
    return this.#furthestOrderId
  }

  get earlier(): number {
    return this.#ends.length
  }

  /** A section ends where this order's lease does, which comes so many orders after the furthest. */
  endAt(place: Place): void {
    this.#furthestOrderId = place.orderId
    this.#end(place)
  }

  /** No order has an id up to this one: a sequence leaves out those that were not used. */
  passBy(orderId: bigint): void {
    this.#furthestOrderId = orderId
  }

  #end(place: Place): void {
    const before = this.#ends.findLastIndex((end) => isAfter(place, end))
    this.#ends.splice(before + 1, 0, place)
    while (this.#ends.length > SECTIONS_MAX) this.#ends.shift()
  }

  /** The first section that was not looked at, or the latest one, which never is for good. */
  get unseen(): Section {
    return this.#sectionAfter(this.#lookedAt)
  }

  #sectionAfter(after: Place | undefined): Section {
    return { after, upTo: this.#ends.find((end) => isAfter(end, after)) }
  }

  /** So many orders of it were claimed, up to this one. Each leaves an entry, too. */
  claimed(orders: number, last: Place): void {
    if (this.#endAfterClaims(orders, last)) this.#lookedAt = last
  }

  #endAfterClaims(orders: number, last: Place): boolean {
    this.#claimed += orders
    if (this.#claimed < ORDERS_PER_SECTION) return false
    this.#claimed = 0
    this.#end(last)
    return true
  }

  /** Nothing overdue was left up to there. */
  lookedAt(upTo: Place): void {
    this.#lookedAt = upTo
  }

  /** One of the earlier sections after the other, over and over, or what is left of it. */
  get nextEarlier(): Section {
    const next = this.#sectionAfter(this.#lookedAtEarlier)
    return next.upTo === undefined ? this.#sectionAfter(undefined) : next
  }

  /** So many orders of it were claimed, up to this one; what is left of it is next. */
  claimedEarlier(orders: number, last: Place): void {
    this.#endAfterClaims(orders, last)
    this.#lookedAtEarlier = last
  }

  lookedAtEarlier(upTo: Place | undefined): void {
    this.#lookedAtEarlier = upTo
  }

  /** The database's clock was set back: what counts as looked at may not have been. */
  forget(): void {
    this.#ends = []
    this.#furthestOrderId = 0n
    this.#lookedAt = undefined
    this.#lookedAtEarlier = undefined
    this.#claimed = 0
  }
}

function isAfter(a: Place, b: Place | undefined): boolean {
  if (b === undefined) return true
  return a.leaseEndUs === b.leaseEndUs ? a.orderId > b.orderId : a.leaseEndUs > b.leaseEndUs
}
