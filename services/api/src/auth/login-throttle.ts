import { createHash } from "node:crypto"
import type { Database } from "@gofermart/shared/db/client.ts"
import type { FastifyRequest } from "fastify"
import { attemptWithin, NetworkThrottle, type ThrottledKeys } from "./network-throttle.ts"
import type { Attempt } from "./throttle.ts"

const LOGIN_HASH_LENGTH = 16

export interface LoginLimits {
  windowMs: number
  loginFailuresMax: number
  loginFailuresPerAddressMax: number
}

/**
 * Limits failed logins, per login and address and per address. Not per login: then anybody could
 * lock anybody out.
 */
export class LoginThrottle {
  readonly #ofLogin: NetworkThrottle
  readonly #ofAddress: NetworkThrottle

  constructor(database: Database, limits: LoginLimits) {
    const { windowMs, loginFailuresMax, loginFailuresPerAddressMax } = limits
    this.#ofLogin = new NetworkThrottle(database, {
      name: "login",
      attemptsMax: loginFailuresMax,
      windowMs,
    })
    this.#ofAddress = new NetworkThrottle(database, {
      name: "address",
      attemptsMax: loginFailuresPerAddressMax,
      windowMs,
    })
  }

  /** Makes the attempt to log in unless too many have failed; it fails with undefined. */
  attempt<Result>(
    address: string,
    login: string,
    make: () => Promise<Result | undefined>,
  ): Promise<Attempt<Result | undefined>> {
    const keys: ThrottledKeys = [
      ...this.#ofLogin.keys(address, `${hashOf(login)}@`),
      ...this.#ofAddress.keys(address),
    ]
    return attemptWithin(keys, make, (result) => result === undefined)
  }
}

/**
 * Logs that a login failed: whose, as far as there is such a user, and from where. Its hash is the one in
 * the throttles' keys.
 */
export function logFailure(
  { log, clientAddress: address }: FastifyRequest,
  login: string,
  userId: bigint | undefined,
): void {
  const who = userId === undefined ? { unknownLogin: hashOf(login) } : { userId: String(userId) }
  log.info({ ...who, address }, "a login failed")
}

/** People type passwords into the field of the login, and nobody should find these in a table or a log. */
function hashOf(login: string): string {
  return createHash("sha256").update(login).digest("base64url").slice(0, LOGIN_HASH_LENGTH)
}
