import { lstatSync, mkdirSync } from "node:fs"
import { homedir } from "node:os"
import { isAbsolute, join } from "node:path"

/**
 * What makes a Node process of ours keep the code it has compiled, and its next start cheaper. The
 * folder is outside the checkout, and several processes may use it at once. It holds code that will be
 * run, so nobody else may write there: where it cannot be had like that, there is no cache.
 */
export function compileCacheEnv(): { NODE_COMPILE_CACHE?: string } {
  const { NODE_COMPILE_CACHE = ownFolder() } = process.env
  return NODE_COMPILE_CACHE === undefined ? {} : { NODE_COMPILE_CACHE }
}

/** See the XDG Base Directory Specification: a relative path is no value. */
function ownFolder(): string | undefined {
  const { XDG_CACHE_HOME = "" } = process.env
  const caches = isAbsolute(XDG_CACHE_HOME) ? XDG_CACHE_HOME : join(homedir(), ".cache")
  const folder = join(caches, "gofermart", "node-compile-cache")
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    const { uid, mode } = lstatSync(folder)
    const isOurs = uid === process.getuid?.() && (mode & 0o022) === 0
    return isOurs ? folder : undefined
  } catch {
    return undefined
  }
}
