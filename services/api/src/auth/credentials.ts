import { Type, type Static } from "typebox"

const LOGIN_LENGTH_MAX = 64
const PASSWORD_LENGTH_MAX = 256
/** What a field may hold before it is trimmed and counted in characters, in UTF-16 units. */
const FIELD_UNITS_MAX = 1_024

const LoginSchema = Type.String({
  maxLength: FIELD_UNITS_MAX,
  description: `1 to ${LOGIN_LENGTH_MAX} characters without control characters`,
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
 * Brings a login and a password to the form in which they are compared, or says in a sentence
 * what is wrong with them. Lengths are in characters (code points).
 */
export function readCredentials(
  given: Credentials,
  passwordLengthMin: number,
): Credentials | string {
  const login = given.login.trim().normalize("NFC")
  const loginLength = [...login].length
  if (loginLength < 1 || loginLength > LOGIN_LENGTH_MAX) {
    return `The login must have 1 to ${LOGIN_LENGTH_MAX} characters.`
  }
  if (/\p{Cc}/u.test(given.login)) return "The login must not hold control characters."
  if (!login.isWellFormed()) return "The login must be well-formed Unicode."
  return passwordFault(given.password, passwordLengthMin) ?? { login, password: given.password }
}

/** What is wrong with a password, in a sentence; undefined when nothing is. */
export function passwordFault(password: string, lengthMin: number): string | undefined {
  const length = [...password].length
  if (length < lengthMin || length > PASSWORD_LENGTH_MAX) {
    return `The password must have ${lengthMin} to ${PASSWORD_LENGTH_MAX} characters.`
  }
  return password.isWellFormed() ? undefined : "The password must be well-formed Unicode."
}
