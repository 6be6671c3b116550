import { createHmac } from "node:crypto"
import { TEST_KEY } from "../harness/settings.ts"

export const OUR_KEY = Buffer.from(TEST_KEY, "base64url")

/** Signs the first two parts of a token. */
type Sign = (input: string) => string

export function hmac(key: Uint8Array | string, hash = "sha256"): Sign {
  return (input) => createHmac(hash, key).update(input).digest("base64url")
}

export const nowS = () => Math.floor(Date.now() / 1_000)

/**
 * Makes the token that we would issue to this user, except for what is given; undefined takes a
 * field away. Libraries refuse to make most of what is needed here.
 */
export function forge(
  userId: bigint | string,
  changes: { header?: object; claims?: object; sign?: Sign } = {},
): string {
  const header = { alg: "HS256", typ: "JWT", kid: "test", ...changes.header }
  const claims = {
    sub: String(userId),
    iss: "gofermart",
    aud: "gofermart-api",
    iat: Date.now() / 1_000,
    exp: nowS() + 3_600,
    ...changes.claims,
  }
  const input = `${encode(header)}.${encode(claims)}`
  return `${input}.${(changes.sign ?? hmac(OUR_KEY))(input)}`
}

export function encode(part: object): string {
  return Buffer.from(JSON.stringify(part)).toString("base64url")
}
