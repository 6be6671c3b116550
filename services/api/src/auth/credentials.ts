import { hasUnseen } from "@gofermart/shared/domain/printable.ts"
import { Type, type Static } from "typebox"
import type { Defect } from "../http/defects.ts"

/** Of a login and a password with every character escaped: anybody may have such a body parsed. */
export const CREDENTIALS_BYTES_MAX = 16_384

const LOGIN_LENGTH_MAX = 64
const PASSWORD_LENGTH_MAX = 256
/** What a field may hold before it is trimmed and counted in characters, in UTF-16 units. */
const FIELD_UNITS_MAX = 1_024

const LoginSchema = Type.String({
  maxLength: FIELD_UNITS_MAX,
  description:
    `1 to ${LOGIN_LENGTH_MAX} characters; at registration no control characters, none that are ` +
    "invisible or change the direction of text, and no space but U+0020",
  examples: ["alice@example.org"],
})
export const PasswordSchema = Type.String({
  maxLength: FIELD_UNITS_MAX,
  description: `up to ${PASSWORD_LENGTH_MAX} characters of any script`,
  examples: ["correct horse battery staple"],
})
export const CredentialsSchema = Type.Object({ login: LoginSchema, password: PasswordSchema })
type Credentials = Static<typeof CredentialsSchema>

/**
 * Brings a login and a password to the form in which they are compared, or says everything that is
 * wrong with them. Lengths are in characters (code points).
 */
export function readCredentials(given: Credentials): Credentials | Defect[] {
  return read(given, loginFault(given.login), 0)
}

/**
 * The same for those that are to be registered. Some were registered before as much was asked of a
 * login, and still log in.
 */
export function readNewCredentials(
  given: Credentials,
  passwordLengthMin: number,
): Credentials | Defect[] {
  return read(given, loginFault(given.login) ?? newLoginFault(given.login), passwordLengthMin)
}

function read(
  { login, password }: Credentials,
  fault: string | undefined,
  passwordLengthMin: number,
): Credentials | Defect[] {
  const defects = [
    ...defectsOf("login", fault),
    ...passwordDefects("password", password, passwordLengthMin),
  ]
  return defects.length === 0 ? { login: inComparedForm(login), password } : defects
}

function inComparedForm(login: string): string {
  return login.trim().normalize("NFC")
}

function loginFault(given: string): string | undefined {
  const login = inComparedForm(given)
  const length = [...login].length
  if (length < 1 || length > LOGIN_LENGTH_MAX) {
    return `must have 1 to ${LOGIN_LENGTH_MAX} characters`
  }
  if (/\p{Cc}/u.test(given)) return "must not hold control characters"
  return login.isWellFormed() ? undefined : "must be well-formed Unicode"
}

function newLoginFault(given: string): string | undefined {
  return hasUnseen(inComparedForm(given))
    ? "must not hold characters that are invisible or change the direction of text, or a space but U+0020"
    : undefined
}

/** What is wrong with the password in this field. */
export function passwordDefects(field: string, password: string, lengthMin: number): Defect[] {
  const length = [...password].length
  const fault =
    length < lengthMin || length > PASSWORD_LENGTH_MAX
      ? `must have ${lengthMin} to ${PASSWORD_LENGTH_MAX} characters`
      : password.isWellFormed()
        ? undefined
        : "must be well-formed Unicode"
  return defectsOf(field, fault)
}

function defectsOf(field: string, fault: string | undefined): Defect[] {
  return fault === undefined
    ? []
    : [{ detail: `The field ${field} ${fault}.`, pointer: `#/${field}` }]
}
