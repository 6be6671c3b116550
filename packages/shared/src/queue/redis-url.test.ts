import { rootCertificates } from "node:tls"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, describe, expect, it } from "vitest"
import { redisTarget, whatIsWrongInRedisUrl, withPrefix } from "./redis-url.ts"

const folder = mkdtempSync(join(tmpdir(), "gofermart-ca-"))
const [certificate = ""] = rootCertificates
const ca = join(folder, "ca.pem")
writeFileSync(ca, certificate)
afterAll(() => rmSync(folder, { recursive: true }))

const ANYWHERE = { host: "queue.test", port: 6379, db: 0 }
const SENTINELS = {
  sentinels: [
    { host: "s1.test", port: 26379 },
    { host: "::1", port: 26380 },
  ],
  name: "my master",
  db: 0,
}

const CLUSTER = {
  clusterNodes: [
    { host: "c1.test", port: 6379 },
    { host: "::1", port: 6380 },
  ],
  clusterKey: "{bull}",
  db: 0,
}

describe("a connection string of a Redis", () => {
  it.each<[url: string, options: object, prefix?: string]>([
    ["redis://queue.test", ANYWHERE],
    ["redis://queue.test:/", ANYWHERE],
    ["valkey://queue.test", ANYWHERE],
    ["redis://queue.test:6380/2", { ...ANYWHERE, port: 6380, db: 2 }],
    ["redis://[::1]:6380", { host: "::1", port: 6380, db: 0 }],
    ["redis://queue.test?family=6", { ...ANYWHERE, family: 6 }],
    ["redis://user@queue.test", { ...ANYWHERE, username: "user" }],
    ["redis://:a%3Ab%2F@queue.test", { ...ANYWHERE, password: "a:b/" }],
    ["redis://us%40er:p:w@queue.test", { ...ANYWHERE, username: "us@er", password: "p:w" }],
    ["rediss://queue.test", { ...ANYWHERE, tls: {} }],
    ["valkeys://queue.test", { ...ANYWHERE, tls: {} }],
    [`rediss://queue.test?ca=${ca}`, { ...ANYWHERE, tls: { ca: Buffer.from(certificate) } }],
    ["redis://queue.test/1?prefix=shop-2", { ...ANYWHERE, db: 1 }, "shop-2"],
    ["redis+sentinel://s1.test,[::1]:26380/my%20master", SENTINELS],
    ["valkey+sentinel://s1.test,[::1]:26380/my%20master/3", { ...SENTINELS, db: 3 }],
    [
      "redis+sentinel://user:p%2Cw@s1.test,[::1]:26380/my%20master?sentinel_username=s&sentinel_password=%26+",
      {
        ...SENTINELS,
        username: "user",
        password: "p,w",
        sentinelUsername: "s",
        sentinelPassword: "&+",
      },
    ],
    [
      "rediss+sentinel://s1.test,[::1]:26380/my%20master?prefix=a.b",
      { ...SENTINELS, tls: {}, sentinelTLS: {}, enableTLSForSentinelMode: true },
      "a.b",
    ],
    ["redis+cluster://c1.test,[::1]:6380", CLUSTER, "{bull}"],
    [
      "valkey+cluster://user:p%2Cw@c1.test,[::1]:6380/",
      { ...CLUSTER, username: "user", password: "p,w" },
      "{bull}",
    ],
    [
      `rediss+cluster://c1.test,[::1]:6380?prefix=shop&ca=${ca}`,
      { ...CLUSTER, clusterKey: "{shop}", tls: { ca: Buffer.from(certificate) } },
      "{shop}",
    ],
  ])("%s", (url, options, prefix = "bull") => {
    expect(whatIsWrongInRedisUrl(url)).toBeUndefined()
    const target = redisTarget(url)
    const {
      Connector: _connector,
      sentinelCommandTimeout: _timeout,
      sentinelRetryStrategy: _retries,
      ...read
    } = target.options
    expect(read).toEqual(options)
    expect(target.prefix).toBe(prefix)
  })

  it("of a cluster takes a prefix, which is in braces on the keys", () => {
    const prefixed = withPrefix("redis+cluster://c1.test", "shop")
    expect(whatIsWrongInRedisUrl(prefixed)).toBeUndefined()
    expect(redisTarget(prefixed).prefix).toBe("{shop}")
  })

  it.each(["redis://queue.test", "redis://queue.test/0?family=4"])("takes a prefix: %s", (url) => {
    const prefixed = withPrefix(url, "shop")
    expect(whatIsWrongInRedisUrl(prefixed)).toBeUndefined()
    expect(redisTarget(prefixed)).toEqual({ ...redisTarget(url), prefix: "shop" })
  })
})
