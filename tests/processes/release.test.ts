import { execFile } from "node:child_process"
import { appendFile, mkdtemp, readFile, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { promisify } from "node:util"
import { afterAll, beforeAll, describe, expect, it } from "vitest"

const run = promisify(execFile)
const repository = join(import.meta.dirname, "../..")
const program = join(repository, "packages/local-stack/src/release.ts")
const NEXT = "99.0.0"
const NOTE = "- What this release is about."

describe("pnpm release, in a clone", () => {
  let parent: string
  let clone: string
  beforeAll(async () => {
    parent = await mkdtemp(join(tmpdir(), "gofermart-release-"))
    clone = join(parent, "clone")
    await run("git", ["clone", "--quiet", "--depth=1", `file://${repository}`, clone])
    await git("config", "user.name", "Somebody")
    await git("config", "user.email", "somebody@example.com")
    const changelog = await read("CHANGELOG.md")
    await writeFile(
      join(clone, "CHANGELOG.md"),
      changelog.replace("## Unreleased\n", `## Unreleased\n\n${NOTE}\n`),
    )
    await git("commit", "--all", "--quiet", "--message=docs: a note")
  })
  afterAll(() => rm(parent, { recursive: true }))

  const git = async (...args: string[]) => (await run("git", args, { cwd: clone })).stdout.trim()
  const read = (file: string) => readFile(join(clone, file), "utf8")
  const release = (...args: string[]) => run(process.execPath, [program, ...args], { cwd: clone })
  const state = () =>
    Promise.all([git("rev-parse", "HEAD"), git("status", "--porcelain"), git("tag")])

  it("what is no version is refused with the help", async () => {
    const before = await state()
    const refused = { code: 1, stdout: expect.stringContaining("pnpm release X.Y.Z") }
    for (const version of ["", "1", "v99.0.0", "99.0.0-rc.1", "099.0.0"]) {
      await expect(release(version)).rejects.toMatchObject(refused)
    }
    expect(await state()).toEqual(before)
  })

  it("a version that is lower than the present one is refused", async () => {
    const before = await state()
    await expect(release("0.0.9")).rejects.toMatchObject({
      code: 1,
      stderr: expect.stringContaining("0.0.9 is lower than the present"),
    })
    expect(await state()).toEqual(before)
  })

  it("what is not committed keeps a release from being made, and is left as it is", async () => {
    await appendFile(join(clone, "README.md"), "not committed\n")
    const before = await state()
    await expect(release(NEXT)).rejects.toMatchObject({
      code: 1,
      stderr: "Commit your changes first.\n",
    })
    expect(await state()).toEqual(before)
    await git("checkout", "--quiet", "README.md")
  })

  it("a release is one commit with a tag, the version everywhere, and its notes", async () => {
    const [parentCommit] = await state()
    await release(NEXT)
    expect(await git("log", "-1", "--format=%P %s")).toBe(`${parentCommit} chore(release): ${NEXT}`)
    expect(await git("status", "--porcelain")).toBe("")
    expect(await git("rev-parse", `v${NEXT}^{commit}`)).toBe(await git("rev-parse", "HEAD"))
    expect(await git("cat-file", "tag", `v${NEXT}`)).toContain(NOTE)
    expect(await read("CHANGELOG.md")).toMatch(
      new RegExp(`^## Unreleased\n\n## ${NEXT} - \\d{4}-\\d\\d-\\d\\d\n\n${NOTE}$`, "m"),
    )
    const manifests = (await git("ls-files", "*package.json")).split("\n")
    for (const file of manifests) {
      expect([file, JSON.parse(await read(file))]).toMatchObject([file, { version: NEXT }])
    }
    expect(await git("diff", "--name-only", "HEAD~1")).toBe(
      ["CHANGELOG.md", ...manifests].toSorted().join("\n"),
    )
  })

  it("the same version is not released twice, and nothing is not released", async () => {
    const before = await state()
    await expect(release(NEXT)).rejects.toMatchObject({ stderr: `The tag v${NEXT} exists.\n` })
    await expect(release("99.0.1")).rejects.toMatchObject({
      stderr: "CHANGELOG.md says nothing under Unreleased.\n",
    })
    expect(await state()).toEqual(before)
  })
})
