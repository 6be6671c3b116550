import { createHash } from "node:crypto"
import { globSync, statSync } from "node:fs"
import { join } from "node:path"

/** All that the built programs are made of; the lockfile says which packages are installed. */
const MADE_OF = [
  "{packages,services}/*/src/**/*.ts",
  "{packages,services}/*/package.json",
  "pnpm-lock.yaml",
]

/** A digest of the names, sizes and times of the files that a repository's programs are made of. */
export function fingerprintOf(repository: string): string {
  const hash = createHash("sha256")
  for (const file of globSync(MADE_OF, { cwd: repository }).toSorted()) {
    const { size, mtimeMs } = statSync(join(repository, file))
    hash.update(`${file} ${size} ${mtimeMs}\n`)
  }
  return hash.digest("base64url")
}
