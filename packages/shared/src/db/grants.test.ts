import { describe, expect, it } from "vitest"
import { migrationGrants, queueGrants, serviceGrants, tellGrants } from "./grants.ts"

describe("grants", () => {
  it("are one statement for what has the same privileges", () => {
    expect(
      tellGrants([
        { privilege: "UPDATE", on: "TABLE", name: "s.a" },
        { privilege: "SELECT", on: "TABLE", name: "s.a" },
        { privilege: "SELECT", on: "TABLE", name: "s.b" },
        { privilege: "SELECT", on: "TABLE", name: "s.c" },
        { privilege: "USAGE", on: "SCHEMA", name: "s" },
        { privilege: "SELECT", on: "TABLE", name: "s.c" },
      ]),
    ).toEqual([
      "GRANT USAGE ON SCHEMA s",
      "GRANT SELECT, UPDATE ON TABLE s.a",
      "GRANT SELECT ON TABLE s.b, s.c",
    ])
  })

  it("quote every name", () => {
    const odd = 'a"b; DROP'
    for (const grants of [serviceGrants, queueGrants, migrationGrants]) {
      for (const { name } of grants(odd, odd)) expect(name).toMatch(/^"a""b; DROP"/)
    }
  })
})
