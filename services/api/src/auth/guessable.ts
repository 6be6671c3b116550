import { withoutUnseen } from "@gofermart/shared/domain/printable.ts"
import { dictionary } from "@zxcvbn-ts/language-common"

const COMMONEST: ReadonlySet<string> = new Set(dictionary["passwords-common"])

/** Whether a password is one of those that everybody tries first: a common one, or the login itself. */
export function isGuessable(password: string, login: string): boolean {
  const given = inComparedForm(password)
  return COMMONEST.has(given) || given === inComparedForm(login)
}

/** What nobody sees, or types by itself, is no secret. */
function inComparedForm(text: string): string {
  return withoutUnseen(text).normalize("NFC").trim().toLowerCase()
}
