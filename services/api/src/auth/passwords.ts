import { availableParallelism } from "node:os"
import { hash, verify } from "@node-rs/argon2"
import pLimit from "p-limit"
import { OverloadedError } from "../http/errors.ts"

/**
 * argon2id with OWASP's first choice of parameters (Password Storage Cheat Sheet).
 * The library's default variant is argon2id.
 */
const PARAMETERS = { memoryCost: 47_104, timeCost: 1, parallelism: 1 }

/**
 * Half of the threads of Node.js' pool, where hashes run: signatures, compression and name look-ups
 * run there too.
 */
const HASHES_AT_ONCE_MAX = 2
const HASHES_WAITING_MAX = 200

/** Hashes and checks passwords, a bounded number at a time. Rejects with `OverloadedError`. */
export class Passwords {
  readonly #limit = pLimit(hashesAtOnce())
  readonly #nobodys = this.hash("a password that nobody has")

  /** A PHC string. */
  hash(password: string): Promise<string> {
    return this.#queued(() => hash(password.normalize("NFC"), PARAMETERS))
  }

  /** `hashed` is undefined for a login that does not exist: it then takes as long, and is false. */
  async matches(password: string, hashed: string | undefined): Promise<boolean> {
    const against = hashed ?? (await this.#nobodys)
    const matches = await this.#queued(() => verify(against, password.normalize("NFC")))
    return matches && hashed !== undefined
  }

  #queued<Result>(work: () => Promise<Result>): Promise<Result> {
    if (this.#limit.pendingCount >= HASHES_WAITING_MAX) {
      return Promise.reject(new OverloadedError("too many passwords wait to be hashed"))
    }
    return this.#limit(work)
  }
}

/** Half of the cores is left to what else is asked for while people log in. */
function hashesAtOnce(): number {
  const halfOfCores = Math.floor(availableParallelism() / 2)
  return Math.max(1, Math.min(halfOfCores, HASHES_AT_ONCE_MAX))
}
