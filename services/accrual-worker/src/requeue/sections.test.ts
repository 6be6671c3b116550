import { describe, expect, it } from "vitest"
import { LeaseSections, ORDERS_PER_SECTION } from "./sections.ts"

const place = (leaseEndUs: number, orderId: number) => {
  return { leaseEndUs: BigInt(leaseEndUs), orderId: BigInt(orderId) }
}

const lookAtEarlier = (sections: LeaseSections) => {
  const section = sections.nextEarlier
  sections.lookedAtEarlier(section.upTo)
  return section
}

describe("the leases in sections", () => {
  it("are one section at first, from the beginning", () => {
    const sections = new LeaseSections()
    expect([sections.lastEnd, sections.furthestOrderId, sections.earlier]).toEqual([
      undefined,
      0n,
      0,
    ])
    expect(sections.unseen).toEqual({ after: undefined, upTo: undefined })
  })

  it("have their earlier sections looked at in turn, over and over", () => {
    const sections = new LeaseSections()
    sections.endAt(place(10, 5))
    sections.endAt(place(20, 9))
    const first = { after: undefined, upTo: place(10, 5) }
    const second = { after: place(10, 5), upTo: place(20, 9) }
    const turns = Array.from({ length: 4 }, () => lookAtEarlier(sections))
    expect(turns).toEqual([first, second, first, second])
  })

  it("have an earlier section gone on with after what was claimed, which divides it", () => {
    const sections = new LeaseSections()
    sections.endAt(place(10, 5))
    sections.endAt(place(20, 9))
    sections.claimedEarlier(ORDERS_PER_SECTION - 1, place(2, 7))
    expect(sections.nextEarlier).toEqual({ after: place(2, 7), upTo: place(10, 5) })
    sections.claimedEarlier(1, place(3, 8))
    expect(lookAtEarlier(sections)).toEqual({ after: place(3, 8), upTo: place(10, 5) })
    const turns = Array.from({ length: 3 }, () => lookAtEarlier(sections).upTo)
    expect(turns).toEqual([place(20, 9), place(3, 8), place(10, 5)])
  })

  it("are looked at one after the other, the latest one again and again", () => {
    const sections = new LeaseSections()
    sections.endAt(place(10, 5))
    sections.endAt(place(20, 9))
    expect(sections.unseen).toEqual({ after: undefined, upTo: place(10, 5) })
    sections.lookedAt(place(10, 5))
    expect(sections.unseen).toEqual({ after: place(10, 5), upTo: place(20, 9) })
    sections.lookedAt(place(20, 9))
    expect(sections.unseen).toEqual({ after: place(20, 9), upTo: undefined })
    sections.endAt(place(30, 14))
    expect(sections.unseen).toEqual({ after: place(20, 9), upTo: place(30, 14) })
  })

  it("end in the order of the leases, and of the ids where many end at once", () => {
    const sections = new LeaseSections()
    sections.endAt(place(10, 5))
    sections.endAt(place(10, 7))
    sections.endAt(place(9, 9))
    sections.endAt(place(10, 11))
    const ends = Array.from({ length: 4 }, () => lookAtEarlier(sections).upTo)
    expect(ends).toEqual([place(9, 9), place(10, 5), place(10, 7), place(10, 11)])
    expect([sections.lastEnd, sections.furthestOrderId]).toEqual([place(10, 11), 11n])
  })

  it("end after so many claimed orders, which says nothing of the orders' ids", () => {
    const sections = new LeaseSections()
    sections.endAt(place(10, 500))
    sections.claimed(ORDERS_PER_SECTION - 1, place(11, 3))
    expect(sections.earlier).toBe(1)
    sections.claimed(1, place(12, 4))
    expect([sections.earlier, sections.lastEnd]).toEqual([2, place(12, 4)])
    expect(sections.unseen).toEqual({ after: place(12, 4), upTo: undefined })
    expect(sections.furthestOrderId).toBe(500n)
    sections.claimed(ORDERS_PER_SECTION - 1, place(13, 3))
    expect(sections.earlier).toBe(2)
  })

  it("do not end where there are no orders", () => {
    const sections = new LeaseSections()
    sections.passBy(500n)
    expect([sections.furthestOrderId, sections.earlier]).toEqual([500n, 0])
  })

  it("are as many as fit, the two oldest made one", () => {
    const sections = new LeaseSections()
    for (let i = 1; i <= 4_001; i++) sections.endAt(place(i, i))
    expect(sections.earlier).toBe(4_000)
    expect(sections.nextEarlier).toEqual({ after: undefined, upTo: place(2, 2) })
  })

  it("are forgotten when the database's clock was set back", () => {
    const sections = new LeaseSections()
    sections.endAt(place(10, 5))
    sections.lookedAt(place(10, 5))
    sections.claimed(ORDERS_PER_SECTION - 1, place(11, 3))
    sections.forget()
    expect(sections.unseen.after).toEqual(undefined)
    expect([sections.lastEnd, sections.furthestOrderId, sections.earlier]).toEqual([
      undefined,
      0n,
      0,
    ])
    sections.claimed(1, place(12, 4))
    expect(sections.earlier).toBe(0)
  })
})
