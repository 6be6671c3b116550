import * as fc from "fast-check"
import type { Aim, Parameter } from "./aim.ts"
import type { Change } from "./changes/change.ts"
import { changesOf } from "./changes.ts"
import { type Delivery, type Draft, HOST, TOKEN } from "./draft.ts"
import { valuesOf } from "./values.ts"

/** A request that was drawn: one as it should be, and what is made different in it. */
export interface Case {
  aim: Aim
  values: Values
  changes: Change[]
  delivery: Delivery
}

interface Values {
  /** By the names of parameters; those that are not sent are not there. */
  parameters: Record<string, unknown>
  body: unknown
  isByCookie: boolean
}

/**
 * Values that a schema cannot name, such as the numbers of orders that there are: by the name of a
 * parameter or property, of one aim (`logIn.login`) or of all. `body`: of a body that is no object.
 */
export type Known = Record<string, fc.Arbitrary<unknown>>

const CHANGES_MAX = 2

/** Requests of every kind. */
export function casesOf(aim: Aim, known: Known): fc.Arbitrary<Case> {
  return fc.record({
    aim: fc.constant(aim),
    values: valuesFor(aim, known, (own, any) =>
      fc.oneof({ weight: 7, arbitrary: own }, { weight: 1, arbitrary: any }),
    ),
    changes: fc.oneof(
      fc.constant<Change[]>([]),
      fc.array(changesOf(aim), { minLength: 1, maxLength: CHANGES_MAX }),
    ),
    delivery: deliveries,
  })
}

/** Requests as they should be, with nothing in them that might be refused. */
export function typicalCasesOf(aim: Aim, known: Known): fc.Arbitrary<Case> {
  return fc.record({
    aim: fc.constant(aim),
    values: valuesFor(aim, known, (own) => own),
    changes: fc.constant<Change[]>([]),
    delivery: fc.constant<Delivery>({ how: "whole" }),
  })
}

const deliveries: fc.Arbitrary<Delivery> = fc.oneof(
  { weight: 12, arbitrary: fc.constant<Delivery>({ how: "whole" }) },
  { weight: 3, arbitrary: fc.constant<Delivery>({ how: "followed" }) },
  { weight: 1, arbitrary: fc.constant<Delivery>({ how: "noisy" }) },
  { weight: 1, arbitrary: fc.constant<Delivery>({ how: "bytes" }) },
  { weight: 1, arbitrary: fc.constant<Delivery>({ how: "half-closed" }) },
  { weight: 2, arbitrary: cutting("halves") },
  { weight: 1, arbitrary: cutting("cut") },
)

function cutting(how: "halves" | "cut"): fc.Arbitrary<Delivery> {
  return fc.nat({ max: 1_000 }).map((permille) => ({ how, at: permille / 1_000 }))
}

type Mix = (own: fc.Arbitrary<unknown>, any: fc.Arbitrary<unknown>) => fc.Arbitrary<unknown>

function valuesFor(aim: Aim, known: Known, mix: Mix): fc.Arbitrary<Values> {
  const value = (name: string, schema: Parameter["schema"]) => {
    const own = known[`${aim.name}.${name}`] ?? known[name]
    return own === undefined ? valuesOf(schema) : mix(own, valuesOf(schema))
  }
  const record = (named: [string, fc.Arbitrary<unknown>][], requiredKeys: string[]) =>
    fc.record(Object.fromEntries(named), { requiredKeys })
  const { parameters, body } = aim
  const properties = Object.entries(body?.schema.properties ?? {})
  return fc.record({
    parameters: record(
      parameters.map(({ name, schema }) => [name, value(name, schema)]),
      parameters.filter((parameter) => parameter.in === "path").map(({ name }) => name),
    ),
    body:
      body === undefined || properties.length === 0
        ? value("body", body?.schema ?? {})
        : record(
            properties.map(([name, schema]) => [name, value(name, schema)]),
            body.schema.required ?? [],
          ),
    isByCookie: fc.oneof(
      { weight: 3, arbitrary: fc.constant(false) },
      { weight: 1, arbitrary: fc.constant(true) },
    ),
  })
}

/** Makes the request, as far as it does not depend on who sends it. */
export function draftOf({ aim, values, changes, delivery }: Case): Draft {
  const { parameters, body, isByCookie } = values
  const sent = (place: Parameter["in"]) =>
    aim.parameters.filter(({ in: where, name }) => where === place && name in parameters)
  const text = (name: string) => String(parameters[name])
  const token: [string, string] = isByCookie
    ? ["Cookie", `gofermart=${TOKEN}`]
    : ["Authorization", `Bearer ${TOKEN}`]
  const draft: Draft = {
    aim,
    method: aim.method,
    path: sent("path").reduce(
      (path, { name }) => path.replace(`{${name}}`, () => encode(text(name))),
      aim.path,
    ),
    query: sent("query").map(({ name }) => `${name}=${encode(text(name))}`),
    version: "HTTP/1.1",
    headers: [
      ["Host", HOST],
      ...(aim.needsToken ? [token] : []),
      ...(aim.body === undefined ? [] : [["Content-Type", aim.body.type] as [string, string]]),
      ...sent("header").map(({ name }): [string, string] => [name, toFieldValue(text(name))]),
    ],
    oddLines: [],
    preface: "",
    fields: undefined,
    text: undefined,
    codings: [],
    chunks: undefined,
    delivery,
    changes: changes.map(({ what }) => what),
    isWrong: false,
    isBlurred: false,
  }
  if (aim.body?.type === "application/json" && isObject(body)) {
    draft.fields = Object.entries(body).map(([name, one]) => [name, JSON.stringify(one)])
  } else if (aim.body !== undefined) {
    draft.text = aim.body.type === "application/json" ? JSON.stringify(body) : String(body)
  }
  for (const { make } of changes) make(draft)
  return draft
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null && !Array.isArray(value)
}

/** Control characters have no place in a header, whatever its schema allows. */
function toFieldValue(text: string): string {
  return text.replaceAll(/\p{Cc}/gu, "").toWellFormed()
}

function encode(text: string): string {
  return encodeURIComponent(text.toWellFormed())
}
