import * as fc from "fast-check"
import type { Schema } from "../harness/openapi.ts"

/** Of a text whose schema does not say. */
const LENGTH_MAX = 40

/** What a schema allows, its limits more often than not. */
export function valuesOf(schema: Schema): fc.Arbitrary<unknown> {
  if (schema.enum !== undefined) return fc.constantFrom(...schema.enum)
  if (schema.anyOf !== undefined) return fc.oneof(...schema.anyOf.map(valuesOf))
  switch (schema.type) {
    case "integer":
      return integers(schema)
    case "number":
      return fc.double({ noNaN: true, noDefaultInfinity: true })
    case "boolean":
      return fc.boolean()
    case "string":
      return texts(schema)
    case "null":
      return fc.constant(null)
    case "object":
      return objects(schema)
    case undefined:
    default:
      return fc.jsonValue({ maxDepth: 2 })
  }
}

function integers({ minimum, maximum }: Schema): fc.Arbitrary<number> {
  const min = minimum ?? Number.MIN_SAFE_INTEGER
  const max = maximum ?? Number.MAX_SAFE_INTEGER
  return fc.oneof(fc.constantFrom(min, max), fc.maxSafeInteger().map(bringInto(min, max)))
}

function bringInto(min: number, max: number): (value: number) => number {
  return (value) => min + (Math.abs(value) % (max - min + 1))
}

function texts({ minLength = 0, maxLength, pattern }: Schema): fc.Arbitrary<string> {
  const most = maxLength ?? LENGTH_MAX
  const fits = (text: string) => text.length >= minLength && text.length <= most
  // fast-check knows no lookahead: what such a pattern allows is left to chance.
  if (pattern !== undefined && !pattern.includes("(?")) {
    return fc.stringMatching(new RegExp(pattern, "u")).filter(fits)
  }
  const some = (unit: "grapheme" | "grapheme-ascii" | "binary") =>
    fc.string({ unit, minLength, maxLength: Math.min(most, LENGTH_MAX) })
  return fc.oneof(
    fc.constantFrom("a".repeat(minLength), "a".repeat(most)),
    some("grapheme-ascii"),
    some("grapheme"),
    some("binary"),
  )
}

function objects({ properties = {}, required = [] }: Schema): fc.Arbitrary<object> {
  const values: Record<string, fc.Arbitrary<unknown>> = Object.fromEntries(
    Object.entries(properties).map(([name, schema]) => [name, valuesOf(schema)]),
  )
  return fc.record(values, { requiredKeys: required })
}
