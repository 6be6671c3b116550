import { createHash } from "node:crypto"
import type { Database } from "@gofermart/shared/db/client.ts"
import { networkOf } from "./network.ts"
import { type Attempt, Throttle } from "./throttle.ts"

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
  readonly #ofLogin: Throttle
  readonly #ofAddress: Throttle

  constructor(database: Database, limits: LoginLimits) {
    const { windowMs, loginFailuresMax, loginFailuresPerAddressMax } = limits
    this.#ofLogin = new Throttle(database, {
      name: "login",
      attemptsMax: loginFailuresMax,
      windowMs,
    })
    this.#ofAddress = new Throttle(database, {
      name: "address",
      attemptsMax: loginFailuresPerAddressMax,
      windowMs,
    })
  }

  /** Makes the attempt to log in unless too many have failed; it fails with undefined. */
  async attempt<Result>(
    address: string,
    login: string,
    make: () => Promise<Result | undefined>,
  ): Promise<Attempt<Result | undefined>> {
    const network = networkOf(address)
    const ofBoth = await this.#ofLogin.attempt(
      `${hashOf(login)}@${network}`,
      () => this.#ofAddress.attempt(network, make, (result) => result === undefined),
      (ofAddress) => !ofAddress.refused && ofAddress.result === undefined,
    )
    if (ofBoth.refused) return ofBoth
    // What the client is told of is the limit that it is nearer to.
    const { standing, result: ofAddress } = ofBoth
    const nearer = standing.remaining < ofAddress.standing.remaining
    return nearer && !ofAddress.refused ? { ...ofAddress, standing } : ofAddress
  }
}

/** People type passwords into the field of the login, and nobody should find these in a table. */
function hashOf(login: string): string {
  return createHash("sha256").update(login).digest("base64url").slice(0, LOGIN_HASH_LENGTH)
}
