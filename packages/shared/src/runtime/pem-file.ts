import { createPrivateKey, X509Certificate } from "node:crypto"
import { readFileSync } from "node:fs"
import { createSecureContext } from "node:tls"
import { readSmallFile, UnreadableFileError } from "./small-file.ts"

/** A chain of certificates takes a few kilobytes, all authorities of a system some hundred. */
const PEM_BYTES_MAX = 4_194_304

/**
 * What keeps TLS from using the file, in a few words that go after its name; undefined when nothing
 * does. It is read as TLS will read it: in PEM, all of it.
 */
export function whatIsWrongInPemFile(
  path: string,
  holds: "certificate" | "private key",
): string | undefined {
  try {
    const content = readSmallFile(path, PEM_BYTES_MAX)
    createSecureContext(holds === "private key" ? { key: content } : { cert: content })
    return undefined
  } catch (error) {
    return error instanceof UnreadableFileError ? error.message : `holds no ${holds} in PEM`
  }
}

/** Whether the one file has the key of the certificate that the other begins with; both are usable. */
export function isKeyOf(key: string, certificate: string): boolean {
  return new X509Certificate(readFileSync(certificate)).checkPrivateKey(
    createPrivateKey(readFileSync(key)),
  )
}
