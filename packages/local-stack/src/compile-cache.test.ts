import { chmodSync, mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest"
import { compileCacheEnv } from "./compile-cache.ts"

describe("the compile cache", () => {
  let caches: string
  const folder = () => join(caches, "gofermart/node-compile-cache")
  beforeEach(() => {
    caches = mkdtempSync(join(tmpdir(), "gofermart-caches-"))
    vi.stubEnv("NODE_COMPILE_CACHE", undefined)
    vi.stubEnv("XDG_CACHE_HOME", caches)
  })
  afterEach(() => {
    vi.unstubAllEnvs()
    rmSync(caches, { recursive: true })
  })

  it("is in a folder of the user's caches that nobody else can look into", () => {
    expect(compileCacheEnv()).toEqual({ NODE_COMPILE_CACHE: folder() })
    expect(statSync(folder()).mode & 0o777).toBe(0o700)
    expect(compileCacheEnv()).toEqual({ NODE_COMPILE_CACHE: folder() })
  })

  it("is where the environment says, if it does", () => {
    vi.stubEnv("NODE_COMPILE_CACHE", "/elsewhere")
    expect(compileCacheEnv()).toEqual({ NODE_COMPILE_CACHE: "/elsewhere" })
  })

  it.each([0o770, 0o707])("is none where others may write: mode %o", (mode) => {
    mkdirSync(folder(), { recursive: true })
    chmodSync(folder(), mode)
    expect(compileCacheEnv()).toEqual({})
  })

  it("is none behind a link, which may lead anywhere", () => {
    mkdirSync(join(caches, "gofermart"))
    symlinkSync(caches, folder())
    expect(compileCacheEnv()).toEqual({})
  })

  it("is none where no folder can be made", () => {
    vi.stubEnv("XDG_CACHE_HOME", "/dev/null")
    expect(compileCacheEnv()).toEqual({})
  })
})
