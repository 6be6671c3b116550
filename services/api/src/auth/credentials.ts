import { Type, type Static } from "typebox"

const LOGIN_LENGTH_MAX = 64
const PASSWORD_LENGTH_MAX = 256
/** What a field may hold before it is trimmed and counted in characters, in UTF-16 units. */
const FIELD_UNITS_MAX = 1_024

export const CredentialsSchema = Type.Object({
  login: Type.String({ maxLength: FIELD_UNITS_MAX }),
  password: Type.String({ maxLength: FIELD_UNITS_MAX }),
})
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
  const passwordLength = [...given.password].length
  if (passwordLength < passwordLengthMin || passwordLength > PASSWORD_LENGTH_MAX) {
    return `The password must have ${passwordLengthMin} to ${PASSWORD_LENGTH_MAX} characters.`
  }
  if (!given.password.isWellFormed()) return "The password must be well-formed Unicode."
  return { login, password: given.password }
}
