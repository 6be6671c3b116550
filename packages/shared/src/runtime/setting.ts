import { type TInteger, type TObject, type TSchema, Type } from "typebox"

/** What people are told of a setting, beside what its value must be. */
export interface About {
  /** What it decides, as words that can follow its name. */
  purpose: string
  /** What a number counts. A length of time has its unit in the value. */
  unit?: string
  /** What counts when it is not given and has no default. */
  fallback?: string
  /** Nobody is given it who does not read it; see `settingsOf` of the local stack. */
  secret?: true
}

/** A setting: what its value must be, and what people are told of it. */
export type Setting = TSchema & { about: About }

/** Settings by the names of their environment variables. */
export type Settings = Record<string, Setting>

/** A number is of no use to a reader without its unit. */
type AboutKind<Kind extends TSchema> = Kind extends TInteger ? About & { unit: string } : About

/** Says of a kind of value, such as `duration("30s")`, which setting it is. */
export function setting<Kind extends TSchema>(
  kind: Kind,
  about: AboutKind<Kind>,
): Kind & { about: About } {
  return Type.With(kind, { about }) as Kind & { about: About }
}

/**
 * The settings that a program reads with `readEnv`. Its help, `docs/SETTINGS.md`, `.env.example`, what
 * `start` hands to it and the check of `docker-compose.yml` come from them.
 */
export function defineSettings<Properties extends Record<string, TSchema>>(
  // So that a setting without its purpose is the only error, and not all that is read.
  properties: Properties & Record<keyof Properties, Setting>,
): TObject<Properties> {
  return Type.Object<Properties>(properties)
}

/** The same setting in a program where something else counts when it is not given. */
export function optional<Kind extends Setting>(kind: Kind, fallback: string) {
  return Type.Optional(setting(kind, { ...kind.about, fallback } as AboutKind<Kind>))
}
