import { PROGRAMS } from "@gofermart/local-stack/programs.ts"
import { namesOf } from "@gofermart/shared/runtime/env.ts"
import type { Setting, Settings } from "@gofermart/shared/runtime/setting.ts"
import { type SettingText, textOf } from "@gofermart/shared/runtime/settings-help.ts"
import { composeSettings, type ComposeVariable, composeVariables } from "./compose-settings.ts"

const COMMAND = "npx -y pnpm@12 docs:settings"

/** A program, and a setting as this program has it. */
interface Reader {
  program: string
  setting: Setting
}

/** The readers of every setting of a program of ours, by its name. */
const READERS = new Map<string, Reader[]>()
for (const [program, settings] of Object.entries<Settings>(PROGRAMS)) {
  for (const [name, setting] of Object.entries(settings)) {
    READERS.set(name, [...(READERS.get(name) ?? []), { program, setting }])
  }
}

/** The text of docs/SETTINGS.md. */
export function settingsPage(): string {
  const names = [...READERS.keys()]
  const isRead = (name: string, programs: string[]) =>
    READERS.get(name)?.some(({ program }) => programs.includes(program)) === true
  const traces = names.filter((name) => name.startsWith("OTEL_"))
  const services = names.filter(
    (name) => !traces.includes(name) && isRead(name, ["api", "worker", "commands", "migrate"]),
  )
  const others = names.filter((name) => ![...traces, ...services].includes(name))
  return `# Settings

<!-- Written by \`${COMMAND}\` from the schemas in the code: do not change it by hand. -->

Every program reads its settings from environment variables, and lists them when it is started with
\`--help\`. Lengths of time carry their unit: \`500ms\`, \`30s\`, \`10m\`, \`24h\`. White space around a value is
no part of it, and an empty variable is not set. Each secret can be in a file instead, of at most 64 KiB,
whose path is in a variable with \`_FILE\` after the name: \`AUTH_KEYS_FILE\`. A program reports every
unusable setting at once, never its value, and [exits with code 78](runbooks/exit-code-78.md).

\`pnpm start\` hands to each service what it reads, and names variables that look misspelt. Docker Compose
hands over what [\`.env.example\`](../.env.example) lists.

## Services and commands

\`api\` and \`worker\` are the services, \`commands\` is \`gofermart\`, \`migrate\` is what makes the tables. A
variable in parentheses is the published contract's name for the same setting; it counts for less.

${programTable(services)}

## Traces

A service ignores an unusable one of these, and says so in its log.

${programTable(traces)}

## The local stack

Each setting of the simulator is a flag too, such as \`--delay-ms\`.

${programTable(others)}

## Docker Compose

These are only for \`docker-compose.yml\`. It takes its secrets from files in \`secrets/\`, which
\`deploy/make-secrets.sh\` makes.

${composeTable()}
`
}

/** The text of .env.example. */
export function envExample(): string {
  return `# What docker-compose.yml takes from its environment. Copy this file to .env beside it, where Compose
# finds it, and set SCORING_URL. Secrets are not here: deploy/make-secrets.sh makes them.
# docs/SETTINGS.md has all settings of all programs.
#
# Written by \`${COMMAND}\`: do not change it by hand.

${composeVariables().map(exampleOf).join("\n\n")}
`
}

/** A setting of docker-compose.yml; throws when nothing describes it. */
export function composeSetting(name: string): Setting {
  const setting = READERS.get(name)?.[0]?.setting ?? composeSettings[name]
  if (setting === undefined) {
    throw new Error(
      `docker-compose.yml names ${name}: no program reads it, and it is not in compose-settings.ts`,
    )
  }
  return setting
}

function exampleOf({ name, defaultValue }: ComposeVariable): string {
  const setting = composeSetting(name)
  const { purpose, value, defaultValue: own, fallback } = textOf(setting)
  const secret = setting.about.secret === true ? "; a secret" : ""
  const usual = defaultValue || (own ?? "")
  const isRequired = fallback === "required" && usual === ""
  const absent = isRequired || usual !== "" ? "" : `\n# Without it: ${fallback}`
  const assignment = isRequired ? `${name}=` : `#${name}=${usual}`
  return `# ${purpose}${secret}\n# ${value}${absent}\n${assignment}`
}

function programTable(names: string[]): string {
  const rows = names.map((name) => {
    const readers = READERS.get(name) ?? []
    const [first] = readers
    if (first === undefined) throw new Error(`nobody reads ${name}`)
    const programs = readers.map(({ program }) => program).join(", ")
    return row(name, first.setting, defaultsOf(readers), programs)
  })
  return table(["variable", "default", "read by", "what it decides", "value"], rows)
}

/** The default, and those of programs that have another one. */
function defaultsOf(readers: Reader[]): string {
  const defaults = readers.map(({ program, setting }) => ({
    program,
    text: defaultOf(textOf(setting)),
  }))
  const usual = defaults[0]?.text ?? ""
  const others = defaults.filter(({ text }) => text !== usual)
  return [usual, ...others.map(({ program, text }) => `${program}: ${text}`)].join("; ")
}

function defaultOf({ defaultValue, fallback }: SettingText): string {
  return defaultValue === undefined ? fallback : `\`${defaultValue}\``
}

function composeTable(): string {
  const rows = composeVariables().flatMap(({ name, defaultValue }) => {
    const setting = composeSettings[name]
    if (setting === undefined) return []
    return [row(name, setting, `\`${defaultValue}\``)]
  })
  return table(["variable", "default", "what it decides", "value"], rows)
}

function row(name: string, setting: Setting, ...between: string[]): string[] {
  const { purpose, value } = textOf(setting)
  const [first, ...aliases] = namesOf(name).map((variable) => `\`${variable}\``)
  const variable = aliases.length === 0 ? `${first}` : `${first} (${aliases.join(", ")})`
  const secret = setting.about.secret === true ? "; a secret" : ""
  return [variable, ...between, `${purpose}${secret}`, value]
}

function table(heads: string[], rows: string[][]): string {
  return [heads, heads.map(() => "---"), ...rows]
    .map((cells) => `| ${cells.join(" | ")} |`)
    .join("\n")
}
