import { readFileSync } from "node:fs"
import { validate } from "dockerfile-utils"
import { describe, expect, it } from "vitest"
import { repository } from "./compose.ts"

const dockerfile = readFileSync(`${repository}Dockerfile`, "utf8")
const lastStage = dockerfile.slice(dockerfile.lastIndexOf("\nFROM "))

describe("the Dockerfile", () => {
  it("has no mistake that a linter finds", () => {
    expect(validate(dockerfile)).toEqual([])
    expect(validate(dockerfile.replace("WORKDIR", "WORKDIRR"))).not.toEqual([])
  })

  it("ends with a stage whose process is not root's", () => {
    expect([...lastStage.matchAll(/^USER (.+)$/gm)].map(([, user]) => user)).toEqual(["node"])
    expect(lastStage.lastIndexOf("\nUSER ")).toBeGreaterThan(lastStage.lastIndexOf("\nRUN "))
  })

  it("starts a process that gets the signals itself", () => {
    const [, command = ""] = /^CMD (.+)$/m.exec(lastStage) ?? []
    expect(JSON.parse(command)).toEqual(["node", "services/api/src/main.ts"])
  })
})
