import { mkdir, readFile, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { NOT_FOR_IMAGES } from "../deploy/image.ts"
import { docker, type Installation, prepare } from "./installation.ts"

const PLANTED = "planted-4d1e9f-planted"
const BYTES_MAX = 180 * 1_000_000
describe("the image", () => {
  let installation: Installation
  beforeAll(async () => {
    installation = await prepare()
    for (const path of NOT_FOR_IMAGES) {
      await mkdir(join(installation.folder, path, ".."), { recursive: true })
      await writeFile(join(installation.folder, path), PLANTED)
    }
    const { code, stderr } = await installation.compose("build")
    expect(stderr).not.toContain("WARN")
    expect(code).toBe(0)
  })
  afterAll(() => installation.remove())

  const inImage = async (script: string) => {
    const args = ["run", "--rm", "--network", "none", installation.image, "sh", "-c", script]
    const { stdout, stderr } = await docker(args)
    return stdout + stderr
  }
  const inspect = async <Value>(image: string, format: string) =>
    JSON.parse((await docker(["inspect", "--format", `{{json ${format}}}`, image])).stdout) as Value
  const layers = () => inspect<string[]>(installation.image, ".RootFS.Layers")

  it("has nothing in any layer of what lies beside the sources", async () => {
    const archive = join(installation.folder, "image.tar")
    expect(await docker(["save", "--output", archive, installation.image])).toMatchObject({
      code: 0,
    })
    // Layers are archives in it, not compressed.
    const content = await readFile(archive)
    expect(content.includes("services/api/src/main.ts")).toBe(true)
    expect(content.includes(PLANTED)).toBe(false)
    const auth = await readFile(join(installation.folder, "secrets/auth_keys"), "utf8")
    expect(content.includes(auth.trim())).toBe(false)
  })

  it("adds no more than 180 MB to its base", async () => {
    const dockerfile = await readFile(join(installation.folder, "Dockerfile"), "utf8")
    const [, base = ""] = /^FROM (node:\S+)$/m.exec(dockerfile) ?? []
    const size = await inspect<number>(installation.image, ".Size")
    expect(size - (await inspect<number>(base, ".Size"))).toBeLessThan(BYTES_MAX)
  })

  it("runs as a user with a number, and cannot change what it runs", async () => {
    expect(await inspect(installation.image, ".Config.User")).toBe("1000:1000")
    const mine = "find / -xdev -user 1000 -not -path '/proc/*' -not -path '/home/*' 2>/dev/null"
    expect(await inImage(mine)).toBe("/var/lib/scoring-simulator\n")
  })

  it("has one Node.js, and neither npm nor tests nor benchmarks", async () => {
    const nodes = await inImage("find / -xdev -type f -name node 2>&1 | grep -v denied")
    expect(nodes).toBe("/usr/local/bin/node\n")
    expect(await inImage("command -v npm npx corepack yarn pnpm; ls tests benchmarks")).toMatch(
      /^ls: .*\nls: .*\n$/,
    )
    expect(await inImage("find packages -name '*.ts'")).toBe("")
    expect(await inImage("ls node_modules/.pnpm | grep -E '^(vitest|typescript|turbo)@'")).toBe("")
  })

  it("says what it is, and what it is made of", async () => {
    const labels = await inspect<Record<string, string>>(installation.image, ".Config.Labels")
    expect(labels).toMatchObject({
      "org.opencontainers.image.title": "Gofermart",
      "org.opencontainers.image.licenses": "MIT",
      "org.opencontainers.image.version": "unversioned",
    })
    const sbom = JSON.parse(await inImage("cat sbom.cdx.json")) as {
      bomFormat: string
      components: { name: string }[]
    }
    expect(sbom.bomFormat).toBe("CycloneDX")
    const names = sbom.components.map(({ name }) => name)
    expect(names).toEqual(expect.arrayContaining(["fastify", "bullmq", "pg"]))
    expect(names).not.toContain("vitest")
  })

  it("is built again from a changed source as one small layer, without the network", async () => {
    const before = await layers()
    const main = join(installation.folder, "services/api/src/main.ts")
    await writeFile(
      main,
      `${await readFile(main, "utf8")}\nObject.assign(globalThis, { change: 1 })\n`,
    )
    const build = await installation.compose("build", "--progress", "plain")
    expect(build.code).toBe(0)
    const said = `${build.stdout}${build.stderr}`
    const found = (pattern: RegExp) => [...said.matchAll(pattern)].map(([, step]) => step)
    // Whatever needs the network is a command; finding the manifests and building need none.
    const commands = found(/^(#\d+) .* RUN (?!find |node packages\/bundle)/gm)
    expect(found(/^(#\d+) CACHED/gm)).toEqual(expect.arrayContaining(commands))
    expect(commands.length).toBeGreaterThan(3)
    const after = await layers()
    expect(after.slice(0, -1)).toEqual(before.slice(0, -1))
    expect(after.at(-1)).not.toBe(before.at(-1))
    const history = await docker(["history", "--format", "{{.Size}}", installation.image])
    const newest = history.stdout.split("\n").find((size) => size !== "0B")
    expect(newest).toMatch(/^\d+(\.\d+)?(kB|B)$/)
  })
})
