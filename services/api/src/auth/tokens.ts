import { createHash, createSecretKey, randomUUID, type webcrypto } from "node:crypto"
import { jwtVerify, SignJWT } from "jose"
import { boundedCache } from "@gofermart/shared/runtime/bounded-cache.ts"

const ALGORITHM = "HS256"
const ISSUER = "gofermart"
const AUDIENCE = "gofermart-api"
/** How far the clocks of two API instances may be apart. */
const CLOCK_TOLERANCE_S = 5
const VERIFIED_TOKENS_MAX = 50_000
/** What a browser keeps of a cookie (RFC 6265, section 6.1). */
const TOKEN_LENGTH_MAX = 4_096
/**
 * The one spelling of a token. jose overlooks white space and padding in a signature, and of the last
 * character of 43 two bits count for nothing, so it takes one token in as many spellings as anybody sends.
 */
const TOKEN = /^[\w-]+\.[\w-]+\.[\w-]{42}[AEIMQUYcgkosw048]$/

export interface SigningKeys {
  /** The id of the key that signs; all of them verify. */
  current: string
  byId: Map<string, Uint8Array>
}

export interface VerifiedToken {
  userId: bigint
  issuedAt: Date
  expiresAt: Date
  /** Tells it from all others; a table may hold it, since nobody can make a token of it. */
  hash: string
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
  readonly #currentKey: string
  readonly #keys: Map<string, webcrypto.CryptoKey>
  /**
   * By the hash of the whole token: a change of any character makes it another one, to be verified anew. The
   * token itself would keep the header in memory of which it is a part.
   */
  readonly #verified = boundedCache<string, VerifiedToken>(VERIFIED_TOKENS_MAX)

  constructor(keys: SigningKeys, lifetimeMs: number) {
    this.lifetimeMs = lifetimeMs
    this.#currentKey = keys.current
    this.#keys = new Map([...keys.byId].map(([id, bytes]) => [id, importKey(bytes)]))
  }

  /** `issuedAt` is by the database's clock, in whole milliseconds. */
  issue(userId: bigint, issuedAt: Date): Promise<string> {
    const issuedAtMs = issuedAt.getTime()
    return (
      new SignJWT()
        .setProtectedHeader({ alg: ALGORITHM, typ: "JWT", kid: this.#currentKey })
        .setSubject(String(userId))
        // Two of one user's that are issued in the same millisecond are not one.
        .setJti(randomUUID())
        .setIssuer(ISSUER)
        .setAudience(AUDIENCE)
        .setIssuedAt(issuedAtMs / 1_000)
        .setExpirationTime(Math.floor((issuedAtMs + this.lifetimeMs) / 1_000))
        .sign(this.#key(this.#currentKey))
    )
  }

  /** Undefined for anything but a token that we issued and that has not expired. */
  async verify(token: string): Promise<VerifiedToken | undefined> {
    if (token.length > TOKEN_LENGTH_MAX || !TOKEN.test(token)) return undefined
    const key = hashOf(token)
    const known = this.#verified.get(key)
    if (known === undefined) return this.#verifyAnew(token, key)
    if (!isExpired(known)) return known
    this.#verified.delete(key)
    return undefined
  }

  async #verifyAnew(token: string, key: string): Promise<VerifiedToken | undefined> {
    try {
      const { payload } = await jwtVerify(token, (header) => this.#key(header.kid), {
        algorithms: [ALGORITHM],
        typ: "JWT",
        issuer: ISSUER,
        audience: AUDIENCE,
        requiredClaims: ["sub", "iat", "exp"],
        clockTolerance: CLOCK_TOLERANCE_S,
      })
      const { sub = "", iat = 0, exp = 0 } = payload
      const verified = {
        userId: BigInt(sub),
        issuedAt: toDate(iat),
        expiresAt: toDate(exp),
        hash: hashOf(signedPart(token)),
      }
      this.#verified.set(key, verified)
      return verified
    } catch {
      return undefined
    }
  }

  #key(id: string | undefined): webcrypto.CryptoKey {
    const key = this.#keys.get(id ?? "")
    if (key === undefined) throw new Error("no such key")
    return key
  }
}

/** The one form of a key that jose does not import again each time. */
function importKey(bytes: Uint8Array): webcrypto.CryptoKey {
  const algorithm = { name: "HMAC", hash: "SHA-256" }
  return createSecretKey(bytes).toCryptoKey(algorithm, false, ["sign", "verify"])
}

function hashOf(text: string): string {
  return createHash("sha256").update(text).digest("base64url")
}

/** What the signature signs: tells a token from all others as well as the whole of it does. */
function signedPart(token: string): string {
  return token.slice(0, token.lastIndexOf("."))
}

/** Of a NumericDate, which may have a fraction (RFC 7519, section 2). */
function toDate(seconds: number): Date {
  return new Date(Math.round(seconds * 1_000))
}

function isExpired({ expiresAt }: VerifiedToken): boolean {
  return expiresAt.getTime() <= Date.now() - CLOCK_TOLERANCE_S * 1_000
}
