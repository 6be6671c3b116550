import { IsOptional } from "typebox"
import { fileNameOf, namesOf } from "./env.ts"
import type { Setting, Settings } from "./setting.ts"

/** A setting in words. */
export interface SettingText {
  purpose: string
  /** What its value must be, with its unit. */
  value: string
  /** Undefined when it has none. */
  defaultValue: string | undefined
  /** What counts without a value and a default; "required" when nothing does. */
  fallback: string
}

/** What a setting is, in the words of its schema. */
export function textOf(setting: Setting): SettingText {
  const { about, description, default: value } = setting as Setting & SchemaWords
  const unit = about.unit === undefined ? "" : ` (${about.unit})`
  return {
    purpose: about.purpose,
    value: `${description}${unit}`,
    defaultValue: value === undefined ? undefined : String(value),
    fallback: IsOptional(setting) ? (about.fallback ?? "nothing") : "required",
  }
}

interface SchemaWords {
  description: string
  default?: string | number
}

/** Every setting of a program for its help: its names and default, what it decides, what it may be. */
export function helpOf(settings: Settings): string {
  return Object.entries(settings)
    .map(([name, setting]) => helpLines(labelOf(name, setting), setting))
    .join("\n")
}

function labelOf(name: string, { about }: Setting): string {
  const names = namesOf(name).join(" or ")
  return about.secret === true ? `${names} or, in a file, ${fileNameOf(name)}` : names
}

/** One setting for a help, under a label such as its flag and its name. */
export function helpLines(label: string, setting: Setting): string {
  const { purpose, value, defaultValue, fallback } = textOf(setting)
  const absent = fallback === "required" ? fallback : `without it: ${fallback}`
  const whenAbsent = defaultValue === undefined ? absent : `default ${defaultValue}`
  return `  ${label} (${whenAbsent})\n      ${purpose}\n      ${value}`
}

/** Ends the process with 0 when its command line asks only whether its settings are usable. */
export function exitIfCheck(ignored: string[]): void {
  if (!process.argv.slice(2).includes("--check")) return
  const lines = ignored.map((says) => `This one is ignored: ${says}\n`)
  process.stdout.write(`${lines.join("")}The settings are usable.\n`)
  process.exit(0)
}

/**
 * Ends the process with 0 when its command line asks for help, after it has printed what the program
 * is and every setting that it reads.
 */
export function exitIfHelp(about: string, settings: Settings): void {
  if (!process.argv.slice(2).some((argument) => ["--help", "-h"].includes(argument))) return
  process.stdout.write(`${about}\n\nSettings, as environment variables:\n\n${helpOf(settings)}\n`)
  process.exit(0)
}
