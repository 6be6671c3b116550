import { availableParallelism } from "node:os"
import { hash, verify } from "@node-rs/argon2"
import type { Counted } from "@gofermart/shared/http/network.ts"
import { RoundRobin } from "./round-robin.ts"

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

/** See `atOnceFor`. */
type Networks = readonly [Counted, ...Counted[]]

/**
 * Hashes and checks passwords, a bounded number at a time, in turns for each network that asks: a
 * login waits for one hash of each other network at most. Rejects with `OverloadedError`.
 */
export class Passwords {
  readonly #turns = new RoundRobin({ atOnceMax: hashesAtOnce(), waitingMax: HASHES_WAITING_MAX })
  readonly #nobodys = hash("a password that nobody has", PARAMETERS)

  /** A PHC string. */
  hash(networks: Networks, password: string): Promise<string> {
    return this.#turns.run(names(networks), () => hash(password.normalize("NFC"), PARAMETERS))
  }

  /** `hashed` is undefined for a login that does not exist: it then takes as long, and is false. */
  async matches(
    networks: Networks,
    password: string,
    hashed: string | undefined,
  ): Promise<boolean> {
    const against = hashed ?? (await this.#nobodys)
    const check = () => verify(against, password.normalize("NFC"))
    return (await this.#turns.run(names(networks), check)) && hashed !== undefined
  }
}

function names([first, ...wider]: Networks): [string, ...string[]] {
  return [first.name, ...wider.map(({ name }) => name)]
}

/** Half of the cores is left to what else is asked for while people log in. */
function hashesAtOnce(): number {
  const halfOfCores = Math.floor(availableParallelism() / 2)
  return Math.max(1, Math.min(halfOfCores, HASHES_AT_ONCE_MAX))
}
