import { mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { fingerprintOf } from "./fingerprint.ts"

describe("the fingerprint of what the programs are made of", () => {
  let folder: string
  const write = (path: string, content: string) => {
    mkdirSync(dirname(join(folder, path)), { recursive: true })
    writeFileSync(join(folder, path), content)
    utimesSync(join(folder, path), 1, 1)
  }
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "gofermart-fingerprint-"))
    write("services/api/src/main.ts", "1")
    write("packages/shared/src/db/generated/client.ts", "1")
    write("pnpm-lock.yaml", "1")
    write("docs/ARCHITECTURE.md", "1")
  })
  afterEach(() => rmSync(folder, { recursive: true }))

  it.each<[change: string, make: () => void]>([
    ["another size", () => write("services/api/src/main.ts", "12")],
    ["another time", () => utimesSync(join(folder, "services/api/src/main.ts"), 2, 2)],
    ["a new source", () => write("packages/shared/src/domain/points.ts", "1")],
    ["a source less", () => rmSync(join(folder, "services/api/src/main.ts"))],
    ["another client", () => write("packages/shared/src/db/generated/client.ts", "12")],
    ["other packages", () => write("pnpm-lock.yaml", "12")],
    ["another list of what is not built in", () => write("packages/bundle/package.json", "1")],
  ])("tells of %s", (_change, make) => {
    const before = fingerprintOf(folder)
    make()
    expect(fingerprintOf(folder)).not.toBe(before)
  })

  it("is the same for what changes none of it", () => {
    const before = fingerprintOf(folder)
    write("docs/ARCHITECTURE.md", "12")
    write("services/api/README.md", "12")
    expect(fingerprintOf(folder)).toBe(before)
  })
})
