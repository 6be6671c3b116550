import { describe, expect, test } from "vitest"
import { mediaTypeFor } from "./media-types.ts"

const [JSON_TYPE, CSV_TYPE] = ["application/json", "text/csv"] as const

describe("the media type that a request accepts", () => {
  test.each([
    [undefined, JSON_TYPE],
    ["*/*", JSON_TYPE],
    ["text/csv", CSV_TYPE],
    ["text/csv; charset=utf-8", CSV_TYPE],
    ["text/csv;header=present", CSV_TYPE],
    ["Text/CSV;charset=utf-8;Q=0.5, application/json;q=0.4", CSV_TYPE],
    ["application/json; charset=utf-8, text/csv;q=0.9", JSON_TYPE],
    ["text/csv;q=0.1, */*", JSON_TYPE],
    ["text/csv;q=0, text/*", undefined],
    ['text/csv;a="b, application/json;q=1";q=0.9, application/json;q=0.1', CSV_TYPE],
    ['text/csv;a="b;q=0.1", application/json;q=0.5', CSV_TYPE],
    ["text/plain", undefined],
    ["text/csv,".repeat(1_000), JSON_TYPE],
  ])("by %j is %s", (accept, type) => {
    expect(mediaTypeFor({ headers: { accept } }, [JSON_TYPE, CSV_TYPE])).toBe(type)
  })
})
