import { describe, expect, it } from "vitest"
import type { Holder } from "../watch/concurrency-limiter.ts"
import { OpenStreams } from "./open-streams.ts"

const ROOMY = { allMax: 100, perNetworkMax: 100, perUserMax: 100 }

function openWith(limits: Partial<typeof ROOMY>) {
  const streams = new OpenStreams({ ...ROOMY, ...limits })
  const replaced: string[] = []
  const openAt = (name: string, userId: number, networks: Holder["networks"]) =>
    streams.open({ userId: BigInt(userId), networks }, () => replaced.push(name))
  const open = (name: string, userId: number, network = "home") =>
    openAt(name, userId, [{ name: network, factor: 1 }])
  return { open, openAt, replaced }
}

describe("the newest stream of a user", () => {
  it("takes the place of the oldest that is left, and only where there is no other", () => {
    const { open, replaced } = openWith({ perUserMax: 3 })
    const leaveFirst = open("first", 1)
    for (const name of ["second", "third"]) open(name, 1)
    if (typeof leaveFirst === "function") leaveFirst()
    open("fourth", 1)
    expect(replaced).toEqual([])
    for (const name of ["fifth", "sixth"]) open(name, 1)
    expect(replaced).toEqual(["second", "third"])
  })

  it("takes it also in a network, and among all, that have no place", () => {
    const network = openWith({ perNetworkMax: 2 })
    network.open("of the other network", 1, "work")
    network.open("mine", 1)
    network.open("somebody's", 2)
    expect(network.open("newest", 1)).toBeTypeOf("function")
    expect(network.replaced).toEqual(["mine"])
    const all = openWith({ allMax: 2 })
    all.open("mine", 1)
    all.open("somebody's", 2)
    expect(all.open("newest", 1)).toBeTypeOf("function")
    expect(all.replaced).toEqual(["mine"])
  })

  it("takes nobody else's", () => {
    const network = openWith({ perNetworkMax: 1 })
    network.open("somebody's", 2)
    network.open("mine, elsewhere", 1, "work")
    expect(network.open("newest", 1)).toBe("full_for_network")
    const all = openWith({ allMax: 1 })
    all.open("somebody's", 2)
    expect(all.open("newest", 1)).toBe("full")
    expect([...network.replaced, ...all.replaced]).toEqual([])
  })
})

describe("places", () => {
  it("that 1,000 accounts of one network try to take are left to another network", () => {
    const { open, replaced } = openWith({ allMax: 10_000, perNetworkMax: 500, perUserMax: 10 })
    const taken = Array.from({ length: 1_000 }, (_, userId) => open("", userId))
    expect(taken.filter((place) => place === "full_for_network")).toHaveLength(500)
    expect(open("", 1_000, "work")).toBeTypeOf("function")
    expect(replaced).toEqual([])
  })

  it("that the sites of one block try to take are left to another block", () => {
    const { openAt, replaced } = openWith({ allMax: 10_000, perNetworkMax: 500 })
    const at = (site: number, block: string) => [
      { name: `${block}, ${site}`, factor: 1 },
      { name: block, factor: 2 },
    ]
    const taken = Array.from({ length: 2_000 }, (_, userId) =>
      openAt("", userId, at(userId % 256, "rented")),
    )
    expect(taken.filter((place) => place === "full_for_network")).toHaveLength(1_000)
    expect(openAt("", 2_000, at(0, "mine"))).toBeTypeOf("function")
    expect(replaced).toEqual([])
    // Of a user's own the oldest in the block makes room.
    expect(openAt("", 0, at(7, "rented"))).toBeTypeOf("function")
    expect(replaced).toEqual([""])
  })

  it("are free again once whoever had one has left, however often they say so", () => {
    const { open } = openWith({ perNetworkMax: 2 })
    const leave = open("", 1)
    open("", 2)
    for (let i = 0; i < 3; i++) if (typeof leave === "function") leave()
    expect(open("", 3)).toBeTypeOf("function")
    expect(open("", 4)).toBe("full_for_network")
  })
})
