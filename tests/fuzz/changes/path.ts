import * as fc from "fast-check"
import type { Aim } from "../aim.ts"
import { PATH_ENDS } from "../odd.ts"
import { always, type Changes, named, oddText, short } from "./change.ts"

export function pathChanges(aim: Aim): Changes {
  const names = aim.parameters.filter((parameter) => parameter.in === "path")
  const fillings = names.map(({ name }) =>
    named(
      oddText,
      (text) => `${short(text)} for {${name}}`,
      (draft, text) => {
        const encoded = encodeURIComponent(text.toWellFormed())
        const steps = aim.path.split("/")
        const given = draft.path.split("/")
        draft.path = steps.map((step, i) => (step === `{${name}}` ? encoded : given[i])).join("/")
      },
    ),
  )
  return fc.oneof(
    ...fillings,
    named(
      fc.constantFrom(...PATH_ENDS),
      (end) => `${short(end)} behind the path`,
      (draft, end) => (draft.path += end),
    ),
    named(
      fc.constantFrom("/", "/.", "/x/..", "//example.org", "\\"),
      (start) => `${short(start)} before the path`,
      (draft, start) => (draft.path = start + draft.path),
    ),
    always("the path in upper case", (draft) => (draft.path = draft.path.toUpperCase())),
    always(
      "a letter of the path encoded",
      (draft) => (draft.path = draft.path.replace("i", "%69")),
    ),
    named(
      fc.constantFrom(255, 256, 2_048, 8_192, 20_000),
      (length) => `a path of ${length} letters more`,
      (draft, length) => (draft.path += `/${"a".repeat(length)}`),
    ),
  )
}
