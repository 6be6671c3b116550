import { describe, expect, it } from "vitest"
import { EventStreamParser } from "./event-stream-parser.ts"

const CHARACTERS_MAX = 100

/** Feeds these pieces to a parser, and gives what it told. */
function parse(...pieces: string[]) {
  const told: unknown[] = []
  const parser = new EventStreamParser(
    {
      onId: (id) => told.push({ id }),
      onRetry: (delayMs) => told.push({ retry: delayMs }),
      onMessage: ({ id, event, data }) => told.push([id, event, data]),
    },
    CHARACTERS_MAX,
  )
  for (const piece of pieces) parser.feed(piece)
  return told
}

describe("parsing an event stream", () => {
  const stream = "retry: 700\r\nid: 4\r\n\r\nid: 5\r\nevent: order\r\ndata: {\r\ndata: }\r\n\r\n"
  const told = [{ retry: 700 }, { id: "4" }, { id: "5" }, ["5", "order", "{\n}"]]

  it.each(["\r\n", "\n"])(
    "gives the same wherever it is cut, with lines ended by %j",
    (lineEnd) => {
      const text = stream.replaceAll("\r\n", lineEnd)
      expect(parse(text)).toEqual(told)
      expect(parse(...text)).toEqual(told)
      for (let at = 1; at < text.length; at++) {
        expect(parse(text.slice(0, at), text.slice(at))).toEqual(told)
      }
    },
  )

  it("takes a carriage return alone for the end of a line", () => {
    expect(parse("data: 1\r\rdata: 2\r\r", ":\n")).toEqual([
      ["", "", "1"],
      ["", "", "2"],
    ])
  })

  it("takes one space after the colon for no part of the value, and needs none", () => {
    expect(parse("data:a\n\ndata:  b\n\ndata\n\n")).toEqual([
      ["", "", "a"],
      ["", "", " b"],
      ["", "", ""],
    ])
  })

  it("passes over comments, fields it does not know, and a message without its end", () => {
    expect(parse(": still there\n\nnews: 1\n\nid: 1\ndata: 1\n")).toEqual([])
  })

  it("takes no id with a null in it, and no delay that is not digits", () => {
    expect(parse("id: 1\0\nretry: 1s\nretry:\ndata: 1\n\n")).toEqual([["", "", "1"]])
  })

  it("gives a message the id and the name that were sent with it, not those of the one before", () => {
    expect(parse("id: 1\nevent: order\ndata: 1\n\ndata: 2\n\n").at(-1)).toEqual(["", "", "2"])
  })

  it("refuses a message that is too long, in one line or in many, but not a long stream", () => {
    const half = "x".repeat(CHARACTERS_MAX / 2)
    expect(parse(`data: ${half}\n\n`, `data: ${half}\n\n`, `data: ${half}\n\n`)).toHaveLength(3)
    expect(() => parse(half, half, "x")).toThrow(RangeError)
    expect(parse(`: ${half}\n`, `: ${half}\n`, `: ${half}\n`)).toEqual([])
    expect(() => parse(`data: ${half}\ndata: ${half}x\n`)).toThrow(RangeError)
  })
})
