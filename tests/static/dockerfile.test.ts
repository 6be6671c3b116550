import { globSync, readFileSync } from "node:fs"
import { builtPath } from "@gofermart/bundle/build.ts"
import { validate } from "dockerfile-utils"
import { describe, expect, it } from "vitest"
import { repository } from "../deploy/compose.ts"
import { NOT_FOR_IMAGES, readIgnored } from "../deploy/image.ts"

const dockerfile = readFileSync(`${repository}Dockerfile`, "utf8")
const lastStage = dockerfile.slice(dockerfile.lastIndexOf("\nFROM "))

/** Of the checkout itself. */
const NOT_NEEDED = [
  "secrets/auth_keys",
  "packages/shared/node_modules/pg/package.json",
  "packages/shared/src/db/client.test.ts",
  "packages/local-stack/src/start.ts",
  "benchmarks/main.ts",
  "tests/vitest.config.ts",
]

describe("the files that an image is built from", () => {
  it.each([...NOT_FOR_IMAGES, ...NOT_NEEDED])("leave out %s", async (path) => {
    expect((await readIgnored())(path)).toBe(true)
  })

  it("have what the Dockerfile copies, and every package's manifest", async () => {
    const isIgnored = await readIgnored()
    const manifests = globSync(
      ["{packages,services}/*/package.json", "{tests,benchmarks}/package.json"],
      {
        cwd: repository,
      },
    )
    const copied = [...dockerfile.matchAll(/^COPY (?!--from)(\S.*) \S+$/gm)].flatMap(
      ([, paths = ""]) => paths.split(" ").filter((path) => path.includes(".") && path !== "."),
    )
    expect([...manifests, ...copied].filter(isIgnored)).toEqual([])
    expect(copied).toContain("pnpm-lock.yaml")
  })
})

describe("the Dockerfile", () => {
  it("has no mistake that a linter finds", () => {
    expect(validate(dockerfile)).toEqual([])
    expect(validate(dockerfile.replace("WORKDIR", "WORKDIRR"))).not.toEqual([])
  })

  it("has the Node.js and the pnpm that package.json pins", () => {
    const { devDependencies, devEngines } = JSON.parse(
      readFileSync(`${repository}package.json`, "utf8"),
    ) as {
      devDependencies: { node: string }
      devEngines: { packageManager: { version: string } }
    }
    const found = (pattern: RegExp) => [...dockerfile.matchAll(pattern)].map(([, one]) => one)
    const stages = found(/^FROM node:(\S+)/gm)
    expect(new Set(stages)).toEqual(new Set([`${devDependencies.node}-slim`]))
    expect(new Set(found(/pnpm@(\S+)/g))).toEqual(new Set([devEngines.packageManager.version]))
    expect(devDependencies.node).toMatch(/^\d+\.\d+\.\d+$/)
    expect(devEngines.packageManager.version).toMatch(/^\d+\.\d+\.\d+$/)
  })

  it("ends with a stage whose process is not root's", () => {
    expect([...lastStage.matchAll(/^USER (.+)$/gm)].map(([, user]) => user)).toEqual(["1000:1000"])
    expect(lastStage.lastIndexOf("\nUSER ")).toBeGreaterThan(lastStage.lastIndexOf("\nRUN "))
  })

  it("starts a process that is handed the signals", () => {
    const [, command = ""] = /^CMD (.+)$/m.exec(lastStage) ?? []
    expect(JSON.parse(command)).toEqual(["deploy/stoppable.sh", "node", builtPath("api")])
  })
})
