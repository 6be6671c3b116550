import { globSync, readFileSync } from "node:fs"
import { isBuiltin } from "node:module"
import { join } from "node:path"
import packageJson from "@gofermart/bundle/package.json" with { type: "json" }
import { describe, expect, it } from "vitest"

const folder = join(import.meta.dirname, "../../packages/bundle/dist")
/** Asked for where they are installed, which they are not. */
const OPTIONAL = ["@valkey/valkey-glide", "pg-native"]

describe("the built programs", () => {
  const chunks = globSync("**/*.js", { cwd: folder }).map((name) => ({
    name,
    code: readFileSync(join(folder, name), "utf8"),
  }))

  it("import nothing but Node's own modules and what is installed beside them", () => {
    const imported = chunks.flatMap(({ code }) =>
      [
        ...code.matchAll(
          /(?:^import (?:.* from )?|\b__require\(|(?<!\{)\bimport\()"([^".][^"]*)"/gm,
        ),
      ].map(([, name = ""]) => /^(?:@[^/]+\/)?[^/]+/.exec(name)?.[0] ?? ""),
    )
    const foreign = new Set(imported.filter((name) => !isBuiltin(name)))
    expect(foreign.size).toBeGreaterThan(OPTIONAL.length)
    const installed = [...OPTIONAL, ...Object.keys(packageJson.dependencies)]
    expect([...foreign].filter((name) => !installed.includes(name))).toEqual([])
  })

  it("have our sources apart from installed packages, which change less often", () => {
    const sources = chunks.flatMap(({ name, code }) =>
      [...code.matchAll(/^\/\/ (\S+\.(?:ts|js|mjs|cjs|json))$/gm)].map(([, path = ""]) => ({
        isInstalled: path.includes("node_modules/"),
        isAmongPackages: name.startsWith("packages/"),
        path,
      })),
    )
    expect(sources.filter(({ isInstalled }) => !isInstalled).length).toBeGreaterThan(100)
    expect(
      sources.filter(({ isInstalled, isAmongPackages }) => isInstalled !== isAmongPackages),
    ).toEqual([])
  })
})
