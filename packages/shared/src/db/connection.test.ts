import { describe, expect, it } from "vitest"
import { connectionBy, connectionInSchema, hostsOf } from "./connection.ts"
import { RoutedClient, type RoutedConfig } from "./routed-client.ts"

const URL = "postgresql://user:pa%2Fss@db.test:5433/points"

/** What node-postgres makes of it, without connecting. */
function read(config: RoutedConfig) {
  const client = new RoutedClient(config)
  const { options, application_name: name } = (
    client as unknown as {
      connectionParameters: { options?: string; application_name?: string }
    }
  ).connectionParameters
  const { host, port, user, password, database } = client
  return { address: [host, port, user, password, database].join(" "), options, name }
}

const ADDRESS = "db.test 5433 user pa/ss points"

describe("a connection by a URL", () => {
  it("has no options of ours where the URL names no schema: poolers refuse them", () => {
    for (const url of [URL, `${URL}?schema=`]) {
      expect(read(connectionBy(url))).toEqual({ address: ADDRESS })
    }
    const own = `${URL}?options=-c%20work_mem%3D5MB`
    expect(read(connectionBy(own)).options).toBe("-c work_mem=5MB")
  })

  it("is in the schema that the URL names", () => {
    const options = '-c search_path="Loyalty"'
    expect(read(connectionBy(`${URL}?schema=Loyalty`))).toEqual({ address: ADDRESS, options })
  })

  it("keeps the URL's own options, and its other parameters", () => {
    const own = `${URL}?options=-c%20work_mem%3D5MB&application_name=a%26b&schema=loyalty`
    const expected = '-c work_mem=5MB -c search_path="loyalty"'
    expect(read(connectionBy(own))).toEqual({ address: ADDRESS, options: expected, name: "a&b" })
    const inQueue = read(connectionInSchema(own, "loyalty_queue"))
    expect(inQueue.options).toBe(expected.replace("loyalty", "loyalty_queue"))
    expect(inQueue.name).toBe("a&b")
  })

  it("may be to a socket, which is never encrypted", () => {
    for (const url of [
      "postgresql://user@/d?host=/run/pg&schema=s&sslmode=verify-full",
      "postgresql://user@%2Frun%2Fpg/d?schema=s",
    ]) {
      expect(read(connectionBy(url))).toEqual({
        options: '-c search_path="s"',
        address: "/run/pg 5432 user  d",
      })
      expect(new RoutedClient(connectionBy(url)).ssl).toBe(false)
    }
  })

  it("has the user and the database that its parameters name", () => {
    const url = "postgres://[::1]/points?user=a&password=%2B%20b&port=6000"
    expect(read(connectionBy(url)).address).toBe("::1 6000 a + b points")
    expect(read(connectionBy("postgresql:///points?host=db.test")).address).toContain(
      "db.test 5432",
    )
  })

  it("shares its way with the other connections of the URL", () => {
    expect(connectionBy(URL).route).toBe(connectionInSchema(URL, "other").route)
    expect(connectionBy(URL).route).not.toBe(connectionBy(`${URL}?sslmode=require`).route)
  })
})

describe("the hosts of a URL", () => {
  it.each([
    ["postgresql://u:p@h1:5433,h2/d", "h1:5433 h2:5432"],
    ["postgresql://u:p@[::1]:5433,[fe80::1],h3/d", "::1:5433 fe80::1:5432 h3:5432"],
    ["postgresql://h1,h2:6000/d?port=7000", "h1:7000 h2:7000"],
    ["postgresql:///d?host=h1,::1&port=5433,", "h1:5433 ::1:5432"],
    ["postgresql://unused/d?host=h1", "h1:5432"],
    ["postgresql://[1:::2]/d", "[1:::2]:5432"],
  ])("%s", (url, expected) => {
    expect(
      hostsOf(url)
        .map(({ host, port }) => `${host}:${port}`)
        .join(" "),
    ).toBe(expected)
  })
})
