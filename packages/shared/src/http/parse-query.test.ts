import { expect, it } from "vitest"
import { parseQuery } from "./parse-query.ts"

it("reads parameters: a repeated one as a list, one without a value as empty, escapes decoded", () => {
  expect(parseQuery("limit=10&cursor=a%20b&limit=20&_")).toEqual({
    limit: ["10", "20"],
    cursor: "a b",
    _: "",
  })
})

it("reads the first fifty of too many, and looks no further", () => {
  const names = Array.from({ length: 5_000 }, (_, i) => `n${i}`)
  expect(Object.keys(parseQuery(names.join("&")))).toEqual(names.slice(0, 50))
})

it("takes a parameter after thousands of empty ones", () => {
  expect(parseQuery(`${"&".repeat(5_000)}limit=10${"&".repeat(5_000)}_=1`)).toEqual({
    limit: "10",
    _: "1",
  })
})
