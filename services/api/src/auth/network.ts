import ipaddr from "ipaddr.js"

/** Of an IPv6 address, the bits that tell one customer of a provider from another (RFC 6177). */
const IPV6_NETWORK_BITS = 64

/**
 * Whom an address stands for when attempts are counted. Whoever has one IPv6 address has all of its
 * /64 network, so these are one; an IPv4 address in IPv6 notation is the IPv4 address. What a proxy
 * forwards that is no address is one network as well, so that nobody hides behind nonsense.
 */
export function networkOf(address: string): string {
  if (!ipaddr.isValid(address)) return "unknown"
  const parsed = ipaddr.process(address)
  if (parsed instanceof ipaddr.IPv4) return parsed.toString()
  const network = parsed.toByteArray().fill(0, IPV6_NETWORK_BITS / 8)
  return `${ipaddr.fromByteArray(network).toString()}/${IPV6_NETWORK_BITS}`
}
