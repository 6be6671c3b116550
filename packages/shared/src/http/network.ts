import ipaddr from "ipaddr.js"

/** Of an IPv6 address, the bits that one customer of a provider has alone at least (RFC 6177). */
const IPV6_NETWORK_BITS = 64
/** The bits that many homes and firms have alone: 256 of those networks. Elsewhere they are 256 homes. */
const IPV6_SITE_BITS = 56
/** The bits that many firms, and whoever rents a server, have alone: 256 of those sites. */
const IPV6_BLOCK_BITS = 48

/**
 * How many times as much a site may do as a network. It may be one home with 256 of them, or 256 homes of
 * which few have an accident at once.
 */
const SITE_FACTOR = 4
/** And a block, for the same reason. */
const BLOCK_FACTOR = 16
/** How many times as much a block may have at once as one of its sites: few of 256 homes have much. */
const BLOCK_AT_ONCE_FACTOR = 2

/** What something of an address's is counted for. */
export interface Counted {
  name: string
  kind: "network" | "site" | "block"
  /** How many times as much it may do, or have, as the first of them. */
  factor: number
}

/** The network of an address first; in IPv6 those that it is in as well. */
export function countedFor(address: string): [Counted, ...Counted[]] {
  const network: Counted = { name: networkOf(address), kind: "network", factor: 1 }
  const site = siteOf(address)
  if (site === network.name) return [network]
  const block = prefixOf(address, IPV6_BLOCK_BITS)
  return [
    network,
    { name: site, kind: "site", factor: SITE_FACTOR },
    { name: block, kind: "block", factor: BLOCK_FACTOR },
  ]
}

/** What an address's requests under way count for: its site, and in IPv6 the block that it is in. */
export function atOnceFor(address: string): [Counted, ...Counted[]] {
  const site: Counted = { name: siteOf(address), kind: "site", factor: 1 }
  const name = prefixOf(address, IPV6_BLOCK_BITS)
  return site.name === name ? [site] : [site, { name, kind: "block", factor: BLOCK_AT_ONCE_FACTOR }]
}

/**
 * What counts as one client when requests are counted: an IPv4 address, or an IPv6 address's /64
 * network, since whoever has one address of it has all.
 */
function networkOf(address: string): string {
  return prefixOf(address, IPV6_NETWORK_BITS)
}

/** The widest network that one client may have alone: an IPv4 address, or an IPv6 address's /56. */
function siteOf(address: string): string {
  return prefixOf(address, IPV6_SITE_BITS)
}

function prefixOf(address: string, bits: number): string {
  // Of a client that is gone meanwhile.
  if (address === "") return "unknown"
  const parsed = ipaddr.parse(address)
  if (parsed instanceof ipaddr.IPv4) return parsed.toString()
  const prefix = parsed.toByteArray().fill(0, bits / 8)
  return `${ipaddr.fromByteArray(prefix).toString()}/${bits}`
}
