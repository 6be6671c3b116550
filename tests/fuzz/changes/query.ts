import * as fc from "fast-check"
import type { Schema } from "../../harness/openapi.ts"
import type { Aim } from "../aim.ts"
import type { Draft } from "../draft.ts"
import { ODD_NUMBERS, ODD_QUERIES, ODD_TEXTS } from "../odd.ts"
import { type Changes, named, short } from "./change.ts"

const PARAMETERS_MAX = 1_000
/** Ours alone: a second of any other is ignored. */
const CACHE_BUSTER = "_"

export function queryChanges(aim: Aim): Changes {
  const parameters = aim.parameters.filter((parameter) => parameter.in === "query")
  const ofParameters = parameters.flatMap((parameter) => [
    {
      weight: 6,
      arbitrary: named(
        fc.oneof(fc.constantFrom(...ODD_NUMBERS), fc.constantFrom(...ODD_TEXTS)),
        (text) => `${parameter.name}=${short(text)}`,
        (draft, text) => {
          setQuery(draft, parameter.name, encodeURIComponent(text.toWellFormed()))
          if (!isInQuery(parameter.schema, text)) draft.isWrong = true
        },
      ),
    },
    {
      weight: 2,
      arbitrary: named(
        fc.constantFrom("1", "true", "x"),
        (text) => `${parameter.name}=${text}, twice`,
        (draft, text) => {
          draft.query.push(`${parameter.name}=${text}`, `${parameter.name}=${text}`)
          draft.isWrong = true
        },
      ),
    },
  ])
  return fc.oneof(
    ...ofParameters,
    {
      weight: 2,
      arbitrary: named(
        fc.constantFrom(...ODD_QUERIES),
        (piece) => `${short(piece)} in the query`,
        (draft, piece) => draft.query.push(piece),
      ),
    },
    {
      weight: 1,
      arbitrary: named(
        fc.constantFrom("status", "user_id", "Limit", "page", CACHE_BUSTER),
        (name) => `a parameter ${name} in the query`,
        (draft, name) => {
          draft.query.push(`${name}=1`)
          if (name !== CACHE_BUSTER) draft.isWrong = true
        },
      ),
    },
    {
      weight: 1,
      arbitrary: named(
        fc.integer({ min: 2, max: PARAMETERS_MAX }),
        (count) => `${count} parameters`,
        (draft, count) => {
          draft.query.push(...Array.from({ length: count }, (_, i) => `p${i}=${i}`))
          draft.isWrong = true
        },
      ),
    },
  )
}

function setQuery(draft: Draft, name: string, value: string): void {
  draft.query = draft.query.filter((piece) => !piece.startsWith(`${name}=`))
  draft.query.push(`${name}=${value}`)
}

/** As the description has it: a number in digits alone, a choice as `true` or `false`. */
function isInQuery(schema: Schema, text: string): boolean {
  const { type, minimum = 0, maximum = Infinity, minLength = 0, maxLength = Infinity } = schema
  if (type === "boolean") return text === "true" || text === "false"
  if (type === "integer") {
    return /^[0-9]{1,15}$/.test(text) && Number(text) >= minimum && Number(text) <= maximum
  }
  return text.length >= minLength && text.length <= maxLength
}
