import { Client } from "pg"
import { describe, expect, it } from "vitest"
import { connectionBy, connectionInSchema } from "./connection.ts"

const URL = "postgresql://user:pa%2Fss@db.test:5433/points"

/** What node-postgres makes of it, without connecting. */
function read(config: { connectionString: string; options?: string }) {
  const client = new Client(config)
  const { options } = (client as unknown as { connectionParameters: { options?: string } })
    .connectionParameters
  const { host, port, user, password, database } = client
  return { address: [host, port, user, password, database].join(" "), options }
}

const ADDRESS = "db.test 5433 user pa/ss points"

describe("a connection by a URL", () => {
  it("has no options of ours where the URL names no schema: poolers refuse them", () => {
    expect(connectionBy(URL)).toEqual({ connectionString: URL })
    expect(read(connectionBy(`${URL}?schema=`))).toEqual({ address: ADDRESS, options: undefined })
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
    expect(read(connectionBy(own))).toEqual({ address: ADDRESS, options: expected })
    const inQueue = connectionInSchema(own, "loyalty_queue")
    expect(read(inQueue).options).toBe(expected.replace("loyalty", "loyalty_queue"))
    expect(inQueue.connectionString).toContain("application_name=a%26b")
  })

  it("may be to a socket", () => {
    const { options, address } = read(connectionBy("postgresql://user@/d?host=/run/pg&schema=s"))
    expect({ options, address }).toEqual({
      options: '-c search_path="s"',
      address: "/run/pg 5432 user  d",
    })
  })
})
