import { randomBytes } from "node:crypto"

/** Makes a signing key, as `AUTH_KEYS` lists them. */
export function newKey(id: string): string {
  return `${id}:${randomBytes(32).toString("base64url")}`
}
