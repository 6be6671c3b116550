import { isIP } from "node:net"
import proxyaddr from "@fastify/proxy-addr"
import type { FastifyInstance } from "fastify"
import ipaddr from "ipaddr.js"
import { printable } from "../domain/printable.ts"
import type { Logger } from "../runtime/logger.ts"

declare module "fastify" {
  interface FastifyRequest {
    /** Where the request comes from: an IPv4 or IPv6 address, or nothing once its connection is gone. */
    clientAddress: string
  }
}

/** Whether what comes from an address was forwarded by a proxy that is trusted. */
export type Trust = (address: string | undefined, hop: number) => boolean

/** Of what a proxy forwards, in the log. */
const FORWARDED_CHARACTERS_MAX = 100

/**
 * Gives requests their `clientAddress`: what trusted proxies forward, or else the connection's own. What
 * they forward and nobody can read counts as the connection's, and is logged once: all of that proxy's
 * clients are then one.
 */
export function readClientAddresses(app: FastifyInstance, trust: Trust, logger: Logger): void {
  let isLogged = false
  app.decorateRequest("clientAddress", {
    getter() {
      const peer = readAddress(this.socket.remoteAddress ?? "") ?? ""
      if (peer === "") return peer
      const forwarded = proxyaddr(this.raw, trust)
      const address = readAddress(forwarded)
      if (address === undefined && !isLogged) {
        isLogged = true
        const shown = printable(forwarded.slice(0, FORWARDED_CHARACTERS_MAX))
        logger.warn(
          { forwarded: shown, proxy: peer },
          "a trusted proxy forwards what is no address: its clients count as one",
        )
      }
      return address ?? peer
    },
  })
}

const BRACKETED = /^\[([^[\]]*)\](?::\d{1,5})?$/
const IPV4_AND_PORT = /^([\d.]+):\d{1,5}$/

/** An address without the port and the brackets that some proxies write. */
export function withoutPort(text: string): string {
  const [, address = text] = BRACKETED.exec(text) ?? IPV4_AND_PORT.exec(text) ?? []
  return address
}

/** Of the longest: an IPv6 address with an IPv4 one in it, a percent sign, and the name of an interface. */
const ADDRESS_LENGTH_MAX = 61

/** The prefix by which NAT64 writes IPv4 addresses as IPv6 (RFC 6052, section 2.1). */
const NAT64 = ipaddr.IPv6.parseCIDR("64:ff9b::/96")

/**
 * Reads an IPv4 or IPv6 address, with or without a port. The IPv4 address inside an IPv6 one, mapped or
 * by NAT64, is an IPv4 address. Undefined when it is none.
 */
export function readAddress(text: string): string | undefined {
  const address = withoutPort(text)
  if (address.length > ADDRESS_LENGTH_MAX || isIP(address) === 0) return undefined
  const parsed = ipaddr.process(address)
  return parsed instanceof ipaddr.IPv6 && parsed.match(NAT64)
    ? ipaddr.fromByteArray(parsed.toByteArray().slice(-4)).toString()
    : parsed.toString()
}
