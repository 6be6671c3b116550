import { readFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "vitest"

const repository = join(import.meta.dirname, "../..")
const read = (path: string) => readFileSync(join(repository, path), "utf8")

/** The number that a constant has in a file. */
function constant(path: string, name: string): number {
  const [, value] = new RegExp(`const ${name} = ([\\d_]+)`).exec(read(path)) ?? []
  return Number(value?.replaceAll("_", ""))
}

/** The first number after a word of a proxy's configuration, in the unit that follows. */
function directive(path: string, name: string): number {
  const units: Record<string, number> = { ms: 1, s: 1_000, m: 1_048_576 }
  const [, value, unit = ""] =
    new RegExp(`^ *${name} (\\d+)(ms|s|m)\\b`, "m").exec(read(path)) ?? []
  return Number(value) * (units[unit] ?? Number.NaN)
}

const NGINX = "deploy/nginx/gofermart.conf"
const HAPROXY = "deploy/haproxy/gofermart.cfg"
const APP = "services/api/src/app.ts"
const WAITING_MS = constant("services/api/src/orders/read-when-final.ts", "WAITING_TIMEOUT_MS")
const HEARTBEAT_MS = constant("services/api/src/events/stream.ts", "HEARTBEAT_MS")

describe("the proxies' limits leave room for the API's own:", () => {
  it.each([
    [NGINX, "proxy_read_timeout"],
    [HAPROXY, "timeout server"],
    [HAPROXY, "timeout client"],
  ])("%s, %s: longer than the longest request, and than a stream is silent", (path, name) => {
    expect(WAITING_MS).toBeGreaterThan(0)
    expect(directive(path, name)).toBeGreaterThan(Math.max(WAITING_MS, 2 * HEARTBEAT_MS))
  })

  it("nginx takes larger bodies", () => {
    const max = directive(NGINX, "client_max_body_size")
    expect(max).toBeGreaterThan(constant(APP, "BODY_BYTES_MAX"))
  })

  it("nginx keeps idle connections for less than an API that stops", () => {
    expect(directive(NGINX, "keepalive_timeout")).toBeLessThan(constant(APP, "DRAIN_MS"))
  })

  it("HAProxy finds out that an API stops before that takes no more connections", () => {
    const [, interval, fall] = /check inter (\d+)ms fall (\d+)/.exec(read(HAPROXY)) ?? []
    // One more: the stop may begin just after a check.
    const foundOutMs = Number(interval) * (Number(fall) + 1)
    expect(foundOutMs).toBeLessThan(constant("services/api/src/main.ts", "ANNOUNCED_MS"))
  })
})
