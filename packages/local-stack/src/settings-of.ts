import { namesOf } from "@gofermart/shared/runtime/env.ts"
import type { Settings } from "@gofermart/shared/runtime/setting.ts"
import type { Entry } from "./child.ts"
import { PROGRAMS } from "./programs.ts"

/** First words of the names that secrets have: what begins so may be one too, misspelt or of tomorrow. */
const SECRET_WORDS = wordsOf(Object.values(PROGRAMS), (settings, name) => {
  return settings[name]?.about.secret === true
})

/**
 * What of an environment a process is given: all of it but the secrets of others, so that a setting
 * which nobody has thought of here reaches it as well.
 */
export function settingsOf(entry: Entry, env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const ownWords = wordsOf([PROGRAMS[entry]], () => true)
  const settings = Object.entries(env).filter(([name]) => {
    const word = firstWord(name)
    return !SECRET_WORDS.has(word) || ownWords.has(word)
  })
  return Object.fromEntries(settings)
}

function wordsOf(
  programs: Settings[],
  isMeant: (settings: Settings, name: string) => boolean,
): Set<string> {
  const names = programs.flatMap((settings) =>
    Object.keys(settings).filter((name) => isMeant(settings, name)),
  )
  return new Set(names.flatMap(namesOf).map(firstWord))
}

function firstWord(name: string): string {
  return name.split("_", 1)[0] ?? ""
}
