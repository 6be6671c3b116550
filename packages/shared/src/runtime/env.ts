import { isIPv6 } from "node:net"
import { Type, type Static, type TObject, type TProperties, type TSchema } from "typebox"
import { Errors } from "typebox/schema"
import type { Setting } from "./setting.ts"
import { readSmallText, UnreadableFileError } from "./small-file.ts"

/**
 * What cannot work until somebody changes a setting, or what it leads to; the message names every
 * bad variable, and no value. It ends the process with `EXIT_CONFIG`.
 */
export class ConfigError extends Error {
  override name = "ConfigError"
}

/** A secret is a line; the longest are lists of keys, or of headers. */
const SECRET_BYTES_MAX = 65_536

/** EX_CONFIG of sysexits.h. */
export const EXIT_CONFIG = 78

/** What must hold between settings. */
export interface Rule<Read> {
  /** It is asked only when each of these is usable by itself. */
  of: (keyof Read)[]
  isKept: (read: Read) => boolean
  /** The rule as a sentence that begins with a variable's name. */
  says: string
}

/** Settings that go by the name of the published Gophermart contract too; ours counts for more. */
const CONTRACT_NAMES: Record<string, string> = {
  DATABASE_URL: "DATABASE_URI",
  SCORING_URL: "ACCRUAL_SYSTEM_ADDRESS",
}

/** The variables that a setting can be given by; the first one counts for more. */
export function namesOf(setting: string): string[] {
  const contractName = CONTRACT_NAMES[setting]
  return contractName === undefined ? [setting] : [setting, contractName]
}

/** The variable that names a file with a secret setting in it. */
export function fileNameOf(name: string): string {
  return `${name}_FILE`
}

/** Every variable that a secret setting can be given by. */
export function variablesOf(setting: string): string[] {
  return namesOf(setting).flatMap((name) => [name, fileNameOf(name)])
}

/** A setting as it was given, under the name it was given by. */
interface Given {
  name: string
  text: string
  /** Whether the text is the path of a file. */
  inFile: boolean
  /** Given in the other way as well, under this name. */
  also: string | undefined
}

/**
 * How a setting is given, undefined when it is absent or nothing but white space. White space around
 * it is no part of it.
 */
function givenSetting(
  env: NodeJS.ProcessEnv,
  setting: string,
  inFileToo: boolean,
): Given | undefined {
  const given = namesOf(setting).flatMap((name) => {
    const text = (env[name] ?? "").trim()
    if (!inFileToo) return [{ name, text, inFile: false, also: undefined }]
    const file = fileNameOf(name)
    const path = (env[file] ?? "").trim()
    const also = text !== "" && path !== "" ? file : undefined
    return [
      { name, text, inFile: false, also },
      { name: file, text: path, inFile: true, also },
    ]
  })
  return given.find(({ text }) => text !== "")
}

/** Whether a setting is given, by its name, the published contract's, or as a file. */
export function isGiven(env: NodeJS.ProcessEnv, setting: string): boolean {
  return givenSetting(env, setting, true) !== undefined
}

/** An environment with these settings, and none of them in another way; an undefined one is absent. */
export function withSettings(
  env: NodeJS.ProcessEnv,
  settings: Record<string, string | undefined>,
): NodeJS.ProcessEnv {
  const names = Object.keys(settings).flatMap(variablesOf)
  const absent = Object.fromEntries(names.map((name) => [name, undefined]))
  return { ...env, ...absent, ...settings }
}

/**
 * Reads a service's settings from environment variables by one schema, whose descriptions say in
 * words what a variable must be. Throws a `ConfigError` that lists every bad variable and every
 * broken rule at once and never prints a value, since one may be a secret.
 */
export function readEnv<Properties extends TProperties>(
  schema: TObject<Properties>,
  env: NodeJS.ProcessEnv,
  rules: Rule<Static<TObject<Properties>>>[] = [],
): Static<TObject<Properties>> {
  const { read, faults } = judgeEnv(schema, env)
  const bad = new Set<unknown>(faults.map(({ setting }) => setting))
  const broken = rules.filter(
    ({ of, isKept }) => !of.some((name) => bad.has(name)) && !isKept(read),
  )
  const lines = [...faults.map(({ says }) => says), ...broken.map(({ says }) => says)]
  if (lines.length === 0) return read
  throw new ConfigError(`The configuration is not usable:\n${lines.map(indent).join("\n")}`)
}

/** A setting that is not usable. */
export interface SettingFault {
  /** Its name in the schema. */
  setting: string
  /** Which variable must be what, and what is wrong with it. */
  says: string
}

/** As `readEnv`, with what is wrong as a value; only settings without a fault are as their type says. */
export function judgeEnv<Properties extends TProperties>(
  schema: TObject<Properties>,
  env: NodeJS.ProcessEnv,
): { read: Static<TObject<Properties>>; faults: SettingFault[] } {
  const settings = Object.entries(schema.properties).map(([setting, property]) => {
    const given = givenSetting(env, setting, canBeFile(property))
    return { setting, property, given, ...textOf(given) }
  })
  const texts = settings.flatMap(({ setting, property, text }) =>
    text === undefined ? [] : [[setting, readText(property, text)] as const],
  )
  const defaults = settings.flatMap(({ setting, property }) =>
    "default" in property ? [[setting, property.default] as const] : [],
  )
  const read: Record<string, unknown> = Object.fromEntries([...defaults, ...texts])
  const faults = settings.flatMap(({ setting, property, given, wrong }) => {
    const reason = wrong ?? whatIsWrong(setting, property, read)
    if (reason === undefined) return []
    const { description = "a valid value" } = property as { description?: string }
    const what = given?.inFile === true ? `the path of a file with ${description}` : description
    return [{ setting, says: `${given?.name ?? setting} must be ${what} (${reason})` }]
  })
  return { read: read as Static<TObject<Properties>>, faults }
}

function canBeFile(property: TSchema): boolean {
  return (property as Partial<Setting>).about?.secret === true
}

/** A setting's text, from its file where it is given so; or what is wrong with how it is given. */
function textOf(given: Given | undefined): { text?: string; wrong?: string } {
  if (given === undefined) return {}
  if (given.also !== undefined) return { wrong: `${given.also} is given too` }
  if (!given.inFile) return { text: given.text }
  try {
    const text = readSmallText(given.text, SECRET_BYTES_MAX).trim()
    return text === "" ? { wrong: "the file is empty" } : { text }
  } catch (error) {
    if (!(error instanceof UnreadableFileError)) throw error
    return { wrong: `the file ${error.message}` }
  }
}

function indent(line: string): string {
  return `  ${line}`
}

/** Numbers are digits alone: the library's own conversion knows 1e3, 0x10, 1.0 and -0 as well. */
function readText(property: unknown, text: string): string | number {
  const isInteger = (property as { type?: string }).type === "integer"
  return isInteger && /^[0-9]+$/.test(text) ? Number(text) : text
}

/** What is wrong with a value, by the keyword of its schema that it does not satisfy. */
const WRONG_BY_KEYWORD: Record<string, string> = {
  required: "it is missing",
  type: "it is not digits alone",
  minimum: "it is less",
  maximum: "it is more",
  enum: "it is none of these",
}

/** In a few words; undefined when it is usable. */
function whatIsWrong(
  setting: string,
  property: TSchema,
  read: Record<string, unknown>,
): string | undefined {
  const value = read[setting] === undefined ? {} : { [setting]: read[setting] }
  const [, [error]] = Errors(Type.Object({ [setting]: property }), value)
  if (error === undefined) return undefined
  return error.keyword === "~refine"
    ? error.message
    : (WRONG_BY_KEYWORD[error.keyword] ?? "it is not")
}

// oxlint-disable-next-line no-control-regex
const CONTROL_CHARACTERS = /[\u0000-\u001f\u007f]/

export function hasControlCharacter(text: string): boolean {
  return CONTROL_CHARACTERS.test(text)
}

/** A setting as text of a form of its own; `wrong` says in a few words why one is not of it. */
export function textSetting(
  options: { description: string; default?: string },
  wrong: (text: string) => string | undefined,
) {
  return Type.Refine(
    Type.String(options),
    (text) => wrong(text) === undefined,
    (text) => wrong(text) ?? "",
  )
}

/** A whole number from `minimum` to `maximum`; the unit belongs at the end of the variable's name. */
export function wholeNumber(minimum: number, maximum: number, defaultValue: number) {
  return Type.Integer({
    minimum,
    maximum,
    default: defaultValue,
    description: `a whole number from ${minimum} to ${maximum}`,
  })
}

const MS_BY_UNIT: Record<string, number> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
}

/** The longest time a timer of Node's holds is 2^31 − 1 ms, almost 25 days. */
const DURATION_MAX_MS = 24 * 86_400_000

/**
 * A length of time with its unit, such as 500ms, 30s, 10m, 24h or 7d, from 1 ms to `maxMs`; read it
 * with `toMs`.
 */
export function duration(defaultValue?: string, maxMs = DURATION_MAX_MS) {
  const description = `a length of time such as 500ms, 30s, 10m or 24h, of at most ${withUnit(maxMs)}`
  const words = defaultValue === undefined ? {} : { default: defaultValue }
  return textSetting({ ...words, description }, (given) => {
    if (/^[0-9]+$/.test(given)) return "it has no unit"
    if (!/^[0-9]+(ms|s|m|h|d)$/.test(given)) return "it is not digits with one of these units"
    if (toMs(given) < 1) return "it is zero"
    return toMs(given) > maxMs ? "it is longer" : undefined
  })
}

/** Of the units that make it a whole number, the longest. */
function withUnit(ms: number): string {
  const units = Object.entries(MS_BY_UNIT).filter(([, unitMs]) => ms % unitMs === 0)
  const [unit = "ms", unitMs = 1] = units.at(-1) ?? []
  return `${ms / unitMs}${unit}`
}

/** The milliseconds of a checked `duration`. */
export function toMs(text: string): number {
  const [, amount, unit = "ms"] = /^([0-9]+)([a-z]+)$/.exec(text) ?? []
  return Number(amount) * (MS_BY_UNIT[unit] ?? 1)
}

export interface Address {
  host: string
  port: number
}

const ADDRESS =
  /^(?:https?:\/\/)?(\[[0-9a-fA-F:.]*:[0-9a-fA-F:.]*\]|[a-zA-Z0-9._-]*):([0-9]{1,5})\/?$/
const PORT_MAX = 65_535

/** An address to listen on; read it with `readAddress`. */
export function listenAddress(defaultValue: string) {
  return textSetting(
    { default: defaultValue, description: "an address host:port, or :port for every interface" },
    (given) => (parseAddress(given) === undefined ? "it is not" : undefined),
  )
}

/** Reads `host:port`, `:port` (every interface) or `[v6]:port`; undefined when it is none. */
export function parseAddress(text: string): Address | undefined {
  const match = ADDRESS.exec(text)
  if (match === null) return undefined
  const [, host = "", port = ""] = match
  const isBracketed = host.startsWith("[")
  const bare = isBracketed ? host.slice(1, -1) : host
  if (Number(port) > PORT_MAX || (isBracketed && !isIPv6(bare))) return undefined
  return { host: bare === "" ? "::" : bare, port: Number(port) }
}

/** Reads an address that its schema has checked. */
export function readAddress(text: string): Address {
  const address = parseAddress(text)
  if (address === undefined) throw new ConfigError("An address is not usable.")
  return address
}
