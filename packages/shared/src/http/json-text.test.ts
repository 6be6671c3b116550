import { describe, expect, it } from "vitest"
import { readJsonText } from "./json-text.ts"

const LEVELS = 20_000

/** What `JSON.parse` gives may be read by another parser as something else. */
const repeatedKey = (text: string) => {
  JSON.parse(text)
  return readJsonText(text).repeatedKey
}

describe("a key that an object has twice", () => {
  it.each([
    ['{"sum":0.01,"sum":1}', "sum"],
    ['{"sum":1,"order":"18","sum":1}', "sum"],
    ['{"a":{"b":1,"b":2}}', "b"],
    ['{"a":[1,{"b":[],"c":{},"b":null}]}', "b"],
    ['[[{"a":true,"a":true}]]', "a"],
    ['{"a":{"a":1},"b":"x","a":2}', "a"],
    ['{"s\\u0075m":1,"sum":2}', "sum"],
    ['{"a\\n":1,"a\\u000a":2}', "a\n"],
    ['{"":1,"":2}', ""],
    ['{"\\"":1,"\\"":2}', '"'],
    ['{"\\\\":"\\\\","\\\\":2}', "\\"],
    ['{"__proto__":1,"__proto__":2}', "__proto__"],
    ['{ "a" : "}" , "a" : 1 }', "a"],
    ['{"😀":1,"\\ud83d\\ude00":2}', "😀"],
  ])("is found in %s", (text, key) => {
    expect(repeatedKey(text)).toBe(key)
  })

  it.each([
    "1",
    '"a,a"',
    "[]",
    "{}",
    '["a","a"]',
    '{"a":"a","b":"b"}',
    '{"a":{"a":{"a":1}}}',
    '[{"a":1},{"a":1}]',
    '{"a":[{"b":1},{"b":1}],"b":1}',
    '{"a":"\\"a\\":1,\\"a\\":","b":"{\\"a\\":1"}',
    '{"sum":1,"Sum":1,"sum ":1}',
    '{"a":["x",{"y":1},"y"],"y":1}',
  ])("is none in %s", (text) => {
    expect(repeatedKey(text)).toBeUndefined()
  })

  it("is found however deep it is, and in however wide an object", () => {
    const inside = '{"a":1,"a":2}'
    expect(repeatedKey(`${"[".repeat(LEVELS)}${inside}${"]".repeat(LEVELS)}`)).toBe("a")
    expect(repeatedKey(`${'{"a":'.repeat(LEVELS)}${inside}${"}".repeat(LEVELS)}`)).toBe("a")
    const wide = Array.from({ length: LEVELS }, (_, i) => `"k${i}":${i}`).join(",")
    expect(repeatedKey(`{${wide}}`)).toBeUndefined()
    expect(repeatedKey(`{${wide},"k0":1}`)).toBe("k0")
  })
})

describe("how many keys a text has", () => {
  it.each([
    ["[1]", 0],
    ['{"a":{"b":1},"c":["d",{"e":"f"}]}', 4],
    [`[${'{"a":1},'.repeat(99)}{}]`, 99],
  ])("in %s it is %i", (text, keys) => expect(readJsonText(text).keyCount).toBe(keys))

  it("is not counted further than one more than there may be", () => {
    const text = `[${'{"a":1},'.repeat(99)}{"b":1,"b":2}]`
    expect(readJsonText(text, 10)).toMatchObject({ keyCount: 11, repeatedKey: undefined })
    expect(readJsonText(text, 101)).toMatchObject({ keyCount: 101, repeatedKey: "b" })
  })
})

describe("how deep a text is", () => {
  it.each([
    ["1", 0],
    ['"[[[["', 0],
    ["{}", 1],
    ["[[],[[]],[]]", 3],
    ['{"a":[{"b":{}}],"c":[]}', 4],
  ])("in %s it is %i", (text, depth) => expect(readJsonText(text).depth).toBe(depth))
})

describe("the numbers of the outermost object", () => {
  it.each([
    ['{"sum":1.00}', { sum: "1.00" }],
    ['{"sum":-0,"b":1e309, "c" : 1E-400 }', { sum: "-0", b: "1e309", c: "1E-400" }],
    ['{"s\\u0075m":729.98000000000002}', { sum: "729.98000000000002" }],
    ['{"sum":"1","a":[2],"b":{"sum":3},"c":true,"d":null}', {}],
    ['{"a":{"sum":3},"sum":4,"e":[5]}', { sum: "4" }],
    ["[1]", {}],
    ["1", {}],
  ])("of %s are %j, as they are written", (text, numbers) => {
    expect(Object.fromEntries(readJsonText(text).numbers)).toEqual(numbers)
  })
})
