import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, describe, expect, it } from "vitest"
import { parametersOf } from "./connection.ts"
import { tlsWays } from "./tls-modes.ts"

const folder = mkdtempSync(join(tmpdir(), "gofermart-tls-"))
afterAll(() => rmSync(folder, { recursive: true }))
const authority = join(folder, "authority.pem")
writeFileSync(authority, "an authority")

/** What each way checks of a server, in the order in which they are tried. */
function ways(query: string) {
  const made = tlsWays(parametersOf(`postgresql://db.test/points?${query}`))
  return made?.map((way) => {
    const options = way()
    if (options === false) return "plain"
    if (options.rejectUnauthorized === false) return "unchecked"
    return options.checkServerIdentity === undefined ? "chain and name" : "chain"
  })
}

describe("sslmode means what it means to libpq", () => {
  it.each([
    ["sslmode=disable", ["plain"]],
    ["sslmode=allow", ["plain", "unchecked"]],
    ["sslmode=prefer", ["unchecked", "plain"]],
    ["sslmode=require", ["unchecked"]],
    ["uselibpqcompat=true&sslmode=require", ["unchecked"]],
    [`sslmode=require&sslrootcert=${authority}`, ["chain"]],
    [`sslmode=verify-ca&sslrootcert=${authority}`, ["chain"]],
    ["sslmode=verify-full", ["chain and name"]],
    ["sslmode=verify-full&sslrootcert=system", ["chain and name"]],
    ["sslmode=no-verify", ["unchecked"]],
    [`sslmode=no-verify&sslrootcert=${authority}`, ["unchecked"]],
    [`sslmode=disable&sslrootcert=${authority}`, ["plain"]],
  ])("%s", (query, expected) => {
    expect(ways(query)).toEqual(expected)
  })
})

describe("without it", () => {
  it.each([
    ["", undefined],
    ["sslmode=", undefined],
    ["ssl=0", ["plain"]],
    ["ssl=no-verify", ["unchecked"]],
    ["ssl=true", ["chain and name"]],
    ["ssl=1", ["chain and name"]],
    ["sslnegotiation=direct", ["chain and name"]],
    [`sslrootcert=${authority}`, ["chain and name"]],
    [`ssl=no-verify&sslrootcert=${authority}`, ["chain and name"]],
    ["sslrootcert=system", ["chain and name"]],
  ])("what names something to check is checked: %s", (query, expected) => {
    expect(ways(query)).toEqual(expected)
  })
})

describe("a file", () => {
  it("is read for each connection, and is as it was when it is gone", () => {
    const file = join(folder, "replaced.pem")
    writeFileSync(file, "one")
    const [way] =
      tlsWays(parametersOf(`postgresql://h/d?sslmode=verify-full&sslrootcert=${file}`)) ?? []
    expect(way?.()).toEqual({ ca: "one" })
    writeFileSync(file, "two")
    expect(way?.()).toEqual({ ca: "two" })
    rmSync(file)
    expect(way?.()).toEqual({ ca: "two" })
  })
})
