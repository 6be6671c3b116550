const UNTRUSTED = /^(DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_[A-Z_]+)$/

/** Why TLS with this server cannot come about with these settings; undefined when it may. */
export function tlsRefusal(error: unknown): string | undefined {
  const { code = "" } = (error ?? {}) as { code?: string }
  if (UNTRUSTED.test(code))
    return `no authority that is trusted here has signed its certificate; ${code}`
  if (code === "ERR_TLS_CERT_ALTNAME_INVALID") return `its certificate is for another name; ${code}`
  if (code === "ERR_SSL_WRONG_VERSION_NUMBER") return `it does not speak TLS on that port; ${code}`
  if (code.startsWith("ERR_OSSL_")) return `its certificate or key cannot be used; ${code}`
  return undefined
}
