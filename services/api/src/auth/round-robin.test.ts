import { describe, expect, it } from "vitest"
import { OverloadedError } from "../http/errors.ts"
import { RoundRobin } from "./round-robin.ts"

/** Turns of which each piece runs until the test ends it, and what has begun so far. */
function startTurns(limits: { atOnceMax: number; waitingMax: number }) {
  const turns = new RoundRobin(limits)
  const begun: string[] = []
  const refused: string[] = []
  const ends: (() => void)[] = []
  const bring = (...names: string[]) => bringWithin(undefined, ...names)
  const bringWithin = (block: string | undefined, ...names: string[]) => {
    for (const name of names) {
      const key = name.slice(0, 1)
      const work = () => {
        begun.push(name)
        return new Promise<void>((end) => ends.push(end))
      }
      turns.run(block === undefined ? [key] : [key, block], work).catch((error: unknown) => {
        expect(error).toBeInstanceOf(OverloadedError)
        refused.push(name)
      })
    }
  }
  const endOne = async () => {
    ends.shift()?.()
    await new Promise(setImmediate)
  }
  return { turns, begun, refused, bring, bringWithin, endOne }
}

describe("taking turns", () => {
  it("lets a stranger wait for one piece of everybody's, however much they have brought", async () => {
    const { begun, bring, endOne } = startTurns({ atOnceMax: 1, waitingMax: 100 })
    bring("a1", "a2", "a3", "a4", "b1", "b2", "b3", "stranger")
    for (let i = 0; i < 8; i++) await endOne()
    expect(begun).toEqual(["a1", "a2", "b1", "stranger", "a3", "b2", "a4", "b3"])
  })

  it("runs so much at once, and what comes later when there is room again", async () => {
    const { begun, bring, endOne } = startTurns({ atOnceMax: 2, waitingMax: 100 })
    bring("a1", "a2", "a3")
    expect(begun).toEqual(["a1", "a2"])
    for (let i = 0; i < 3; i++) await endOne()
    bring("b1", "b2", "b3")
    expect(begun).toEqual(["a1", "a2", "a3", "b1", "b2"])
  })

  it("refuses the latest of whoever has most when too much waits", async () => {
    const { begun, refused, bring, endOne } = startTurns({ atOnceMax: 1, waitingMax: 4 })
    bring("a1", "a2", "a3", "a4", "a5", "stranger", "b1")
    for (let i = 0; i < 5; i++) await endOne()
    expect(refused).toEqual(["a5", "a4"])
    expect(begun).toEqual(["a1", "a2", "stranger", "b1", "a3"])
  })

  it("refuses nobody new for a crowd that comes again and again", async () => {
    const { begun, refused, bring, endOne } = startTurns({ atOnceMax: 1, waitingMax: 3 })
    bring("a1", "b1", "c1", "d1")
    for (let i = 0; i < 3; i++) await endOne()
    bring("a2", "b2", "c2", "stranger", "other")
    for (let i = 0; i < 5; i++) await endOne()
    expect(refused).toEqual(["c2", "b2"])
    expect(begun).toEqual(["a1", "b1", "c1", "d1", "a2", "stranger", "other"])
  })

  it("refuses who came last where none was served before", async () => {
    const { begun, refused, bring, endOne } = startTurns({ atOnceMax: 1, waitingMax: 3 })
    bring("a1", "b1", "c1", "d1", "e1", "f1")
    for (let i = 0; i < 4; i++) await endOne()
    expect(refused).toEqual(["e1", "f1"])
    expect(begun).toEqual(["a1", "b1", "c1", "d1"])
  })

  it("refuses nobody new for a crowd of one block, none of which was served before", async () => {
    const { begun, refused, bring, bringWithin, endOne } = startTurns({
      atOnceMax: 1,
      waitingMax: 3,
    })
    bringWithin("rented", "a1", "b1", "c1", "d1")
    bring("stranger", "other")
    for (let i = 0; i < 4; i++) await endOne()
    expect(refused).toEqual(["d1", "c1"])
    expect(begun).toEqual(["a1", "b1", "stranger", "other"])
  })

  it("refuses the latest of whoever has most in the block that has most", async () => {
    const { refused, bring, bringWithin, endOne } = startTurns({ atOnceMax: 1, waitingMax: 4 })
    bringWithin("rented", "a1", "a2", "a3", "b1")
    bring("c1", "c2")
    await endOne()
    expect(refused).toEqual(["a3"])
  })

  it("goes on after a piece that fails, and passes its error on", async () => {
    const { turns, begun, bring, endOne } = startTurns({ atOnceMax: 1, waitingMax: 4 })
    bring("a1")
    const failing = turns.run(["b"], () => Promise.reject(new Error("it failed")))
    bring("c1")
    await Promise.all([expect(failing).rejects.toThrow("it failed"), endOne()])
    await endOne()
    expect(begun).toEqual(["a1", "c1"])
  })
})
