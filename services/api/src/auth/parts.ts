import type { Database } from "@gofermart/shared/db/client.ts"
import type { Accounts } from "./accounts.ts"
import type { LoginLimits, LoginThrottle } from "./login-throttle.ts"
import type { LoginsAtOnce } from "./logins-at-once.ts"
import type { Passwords } from "./passwords.ts"
import type { Tokens } from "./tokens.ts"

/** What the routes of accounts have in common. */
export interface AuthParts {
  database: Database
  passwords: Passwords
  tokens: Tokens
  accounts: Accounts
  loginThrottle: LoginThrottle
  loginsAtOnce: LoginsAtOnce
  passwordLengthMin: number
  throttling: LoginLimits & { registrationsPerAddressMax: number }
}
