import { namesOf, variablesOf } from "@gofermart/shared/runtime/env.ts"
import type { Settings } from "@gofermart/shared/runtime/setting.ts"
import { PROGRAMS } from "./programs.ts"

/** What begins so is meant for Gofermart. */
const OURS = /^(GOFERMART|OPERATORS|REQUEUE|SCORING|SIMULATOR)_/
const KNOWN = Object.values<Settings>(PROGRAMS).flatMap((settings) =>
  Object.entries(settings).flatMap(([setting, { about }]) =>
    about.secret === true ? variablesOf(setting) : namesOf(setting),
  ),
)

/**
 * Says of each given variable that looks like a setting of Gofermart, and is none, that no service
 * reads it, and which setting has a name like it. It does not tell values.
 */
export function whatIsNoSetting(env: NodeJS.ProcessEnv): string[] {
  const given = Object.keys(env).filter((name) => env[name]?.trim() && !KNOWN.includes(name))
  return given.flatMap((name) => {
    const similar = similarTo(name)
    if (similar === undefined && !OURS.test(name)) return []
    const hint = similar === undefined ? "see docs/SETTINGS.md" : `did you mean ${similar}?`
    return [`${name} is no setting of any service (${hint})`]
  })
}

function similarTo(name: string): string | undefined {
  // With more than one wrong character in five, or more than three, it is a name of its own.
  const editsMax = Math.min(3, Math.floor(name.length / 5))
  const candidates = KNOWN.map((known) => ({ known, edits: editsBetween(name, known) }))
  const similar = candidates.filter(({ edits }) => edits <= editsMax)
  return similar.toSorted((a, b) => a.edits - b.edits)[0]?.known
}

/** How many characters must be added, taken away or replaced (Levenshtein's distance). */
function editsBetween(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, i) => i)
  for (const [i, character] of [...from].entries()) {
    const next = [i + 1]
    for (let j = 1; j <= to.length; j++) {
      const replaced = (row[j - 1] ?? 0) + (to[j - 1] === character ? 0 : 1)
      next.push(Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1))
    }
    row = next
  }
  return row[to.length] ?? 0
}
