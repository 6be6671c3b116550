import { compile } from "@fastify/proxy-addr"
import { Type } from "typebox"
import { textSetting } from "../runtime/env.ts"
import { setting } from "../runtime/setting.ts"
import { type Trust, withoutPort } from "./client-address.ts"

/** The setting of which proxies are; read it with `readProxies`. */
export const trustedProxies = setting(
  Type.Optional(
    textSetting(
      { description: "addresses or CIDR ranges of proxies, with commas between them" },
      whatIsWrongInProxies,
    ),
  ),
  { purpose: "the proxies whose X-Forwarded headers count", fallback: "none" },
)

/** Of proxies of a checked setting. One counts also where another one names it with a port. */
export function trustIn(proxies: string[]): Trust {
  if (proxies.length === 0) return () => false
  const isProxy = compile(proxies)
  return (address, hop) => address !== undefined && isProxy(withoutPort(address), hop)
}

/** The addresses and ranges of the setting. */
export function readProxies(text = ""): string[] {
  return text
    .split(",")
    .map((proxy) => proxy.trim())
    .filter((proxy) => proxy !== "")
}

/** In a few words, without any of the text. */
function whatIsWrongInProxies(text: string): string | undefined {
  const bad = readProxies(text).findIndex((proxy) => {
    try {
      compile(proxy)
      return false
    } catch {
      return true
    }
  })
  return bad === -1 ? undefined : `number ${bad + 1} is neither; a name is not looked up`
}
