import * as fc from "fast-check"
import type { Aim } from "../aim.ts"
import { type Draft, setHeader } from "../draft.ts"
import { MEDIA_TYPES, ODD_JSON } from "../odd.ts"
import { type Changes, named, oddText, short } from "./change.ts"
import { codingChanges } from "./codings.ts"

const DEPTH_MAX = 20_000

export function bodyChanges(aim: Aim): Changes {
  const properties = Object.keys(aim.body?.schema.properties ?? {})
  const property = fc.constantFrom(...(properties.length > 0 ? properties : ["a"]))
  const isObject = properties.length > 0
  const ofObjects = { weight: isObject ? 3 : 0 }
  return fc.oneof(
    {
      weight: isObject ? 6 : 0,
      arbitrary: named(
        fc.tuple(property, fc.constantFrom(...ODD_JSON)),
        ([name, json]) => `${name} is ${short(json)}`,
        (draft, [name, json]) => setField(draft, name, json),
      ),
    },
    {
      ...ofObjects,
      arbitrary: named(
        property,
        (name) => `no ${name}`,
        (draft, name) => {
          draft.fields = draft.fields?.filter(([given]) => given !== name)
        },
      ),
    },
    {
      ...ofObjects,
      arbitrary: named(
        fc.tuple(property, fc.constantFrom(...ODD_JSON, undefined), fc.boolean()),
        ([name, json]) => `${name} twice${json === undefined ? "" : `, then ${short(json)}`}`,
        (draft, [name, json, isFirst]) => {
          const value = draft.fields?.find(([given]) => given === name)?.[1] ?? "1"
          const again: [string, string] = [name, json ?? value]
          if (isFirst) draft.fields?.unshift(again)
          else draft.fields?.push(again)
          draft.isWrong = true
        },
      ),
    },
    {
      weight: isObject ? 1 : 0,
      arbitrary: named(
        fc.integer({ min: 1, max: DEPTH_MAX }),
        (depth) => `a value ${depth} deep`,
        (draft, depth) => {
          const half = Math.floor(depth / 2)
          const inner = `${'[{"a":'.repeat(half)}1${"}]".repeat(half)}`
          draft.fields?.push(["deep", inner])
        },
      ),
    },
    {
      weight: isObject ? 1 : 0,
      arbitrary: named(
        fc.integer({ min: 1, max: 10_000 }),
        (count) => `${count} properties more`,
        (draft, count) => {
          draft.fields?.push(
            ...Array.from({ length: count }, (_, i): [string, string] => [`p${i}`, "1"]),
          )
        },
      ),
    },
    {
      weight: isObject ? 1 : 0,
      arbitrary: named(
        fc.constantFrom("__proto__", "constructor", "toString", "id", "user_id", "balance", ""),
        (name) => `a property ${short(name)} more`,
        (draft, name) => draft.fields?.push([name, '{"prototype":{"a":1}}']),
      ),
    },
    {
      weight: 3,
      arbitrary: named(
        fc.oneof(oddText, fc.constantFrom(...ODD_JSON), fc.string({ unit: "binary" })),
        (text) => `the body is ${short(text)}`,
        (draft, text) => {
          draft.fields = undefined
          draft.text = text
        },
      ),
    },
    {
      weight: 3,
      arbitrary: named(
        fc.constantFrom(...MEDIA_TYPES),
        (type) => `Content-Type: ${short(type)}`,
        (draft, type) => {
          draft.text ??= draft.fields === undefined ? "1" : undefined
          setHeader(draft, "Content-Type", type)
          const essence = type.split(";", 1)[0]?.trim().toLowerCase()
          if (aim.body !== undefined && essence !== aim.body.type) draft.isWrong = true
        },
      ),
    },
    { weight: 6, arbitrary: codingChanges() },
  )
}

function setField(draft: Draft, name: string, json: string): void {
  draft.fields = draft.fields?.map(([given, value]) => [given, given === name ? json : value])
}
