import { cp, mkdtemp, rm, symlink } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join, relative } from "node:path"

/** What is no source. The packages' own `node_modules` are links, and link to the copy's sources. */
const LEFT_OUT = [".git", ".data", ".turbo", "node_modules"]

/** A copy of the checkout as it is, in a temporary folder, to break things in. */
export async function copyCheckout(checkout: string) {
  const folder = await mkdtemp(join(tmpdir(), "gofermart-mutations-"))
  const copy = join(folder, "checkout")
  await cp(checkout, copy, {
    recursive: true,
    verbatimSymlinks: true,
    filter: (path) => !LEFT_OUT.includes(relative(checkout, path)),
  })
  await symlink(join(checkout, "node_modules"), join(copy, "node_modules"))
  return { folder, checkout: copy, remove: () => rm(folder, { recursive: true }) }
}
