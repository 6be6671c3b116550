import { jwtVerify, SignJWT } from "jose"

const ALGORITHM = "HS256"
const ISSUER = "gofermart"
const AUDIENCE = "gofermart-api"
/** How far the clocks of two API instances may be apart. */
const CLOCK_TOLERANCE_S = 5

export interface SigningKeys {
  /** The id of the key that signs; all of them verify. */
  current: string
  byId: Map<string, Uint8Array>
}

export interface VerifiedToken {
  userId: bigint
  issuedAt: Date
}

/** Reads `id:key,id:key` with keys in base64url. A new key goes first; an old one may stay. */
export function parseKeys(text: string): SigningKeys {
  const pairs = text.split(",").map((pair): [string, Uint8Array] => {
    const [id = "", key = ""] = pair.split(":")
    return [id, Buffer.from(key, "base64url")]
  })
  return { current: pairs[0]?.[0] ?? "", byId: new Map(pairs) }
}

export class Tokens {
  readonly lifetimeMs: number
  readonly #keys: SigningKeys

  constructor(keys: SigningKeys, lifetimeMs: number) {
    this.#keys = keys
    this.lifetimeMs = lifetimeMs
  }

  issue(userId: bigint): Promise<string> {
    const now = Math.floor(Date.now() / 1_000)
    const key = this.#keys.byId.get(this.#keys.current)
    if (key === undefined) throw new Error("there is no signing key")
    return new SignJWT()
      .setProtectedHeader({ alg: ALGORITHM, typ: "JWT", kid: this.#keys.current })
      .setSubject(String(userId))
      .setIssuer(ISSUER)
      .setAudience(AUDIENCE)
      .setIssuedAt(now)
      .setExpirationTime(now + Math.floor(this.lifetimeMs / 1_000))
      .sign(key)
  }

  /** Undefined for anything but a token that we issued and that has not expired. */
  async verify(token: string): Promise<VerifiedToken | undefined> {
    try {
      const { payload } = await jwtVerify(token, (header) => this.#key(header.kid), {
        algorithms: [ALGORITHM],
        typ: "JWT",
        issuer: ISSUER,
        audience: AUDIENCE,
        requiredClaims: ["sub", "iat", "exp"],
        clockTolerance: CLOCK_TOLERANCE_S,
      })
      const { sub = "", iat = 0 } = payload
      return { userId: BigInt(sub), issuedAt: new Date(iat * 1_000) }
    } catch {
      return undefined
    }
  }

  #key(id: string | undefined): Uint8Array {
    const key = this.#keys.byId.get(id ?? "")
    if (key === undefined) throw new Error("no such key")
    return key
  }
}
