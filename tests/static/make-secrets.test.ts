import { execFile } from "node:child_process"
import { chmod, cp, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { delimiter, join } from "node:path"
import { promisify } from "node:util"
import { afterEach, beforeEach, expect, it } from "vitest"
import { repository } from "./documents.ts"

const run = promisify(execFile)
const FILES = ["auth_keys", "database_password", "grafana_password", "operators_password"]

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "gofermart-secrets-"))
  await mkdir(join(folder, "deploy"))
  await cp(join(repository, "deploy/make-secrets.sh"), join(folder, "deploy/make-secrets.sh"))
})
afterEach(() => rm(folder, { recursive: true }))

const { PATH = "" } = process.env
const make = (env: Record<string, string> = {}) =>
  run("sh", ["deploy/make-secrets.sh"], { cwd: folder, env: { PATH, ...env } })
const read = (name: string) => readFile(join(folder, "secrets", name), "utf8")

it("makes each secret once, in a folder for nobody else", async () => {
  await make()
  expect((await readdir(join(folder, "secrets"))).toSorted()).toEqual(FILES)
  expect((await stat(join(folder, "secrets"))).mode & 0o777).toBe(0o700)
  expect((await stat(join(folder, "secrets/auth_keys"))).mode & 0o777).toBe(0o444)
  expect(await read("auth_keys")).toMatch(/^k1:[\w-]{43}\n$/)
  expect(await read("database_password")).toMatch(/^[\w-]{43}\n$/)
  const first = await Promise.all(FILES.map(read))
  expect(new Set(first).size).toBe(FILES.length)
  const { stdout } = await make()
  expect(stdout.match(/ is there already$/gm)).toHaveLength(FILES.length)
  expect(await Promise.all(FILES.map(read))).toEqual(first)
})

it("makes them whole when it runs several times at once", async () => {
  await Promise.all(Array.from({ length: 4 }, () => make()))
  expect((await readdir(join(folder, "secrets"))).toSorted()).toEqual(FILES)
  expect(await read("database_password")).toMatch(/^[\w-]{43}\n$/)
})

it("makes none without random bytes", async () => {
  const tools = join(folder, "tools")
  await mkdir(tools)
  await writeFile(join(tools, "base64"), "#!/bin/sh\nexit 1\n")
  await chmod(join(tools, "base64"), 0o755)
  await expect(make({ PATH: tools + delimiter + PATH })).rejects.toMatchObject({
    code: 1,
    stderr: "no random bytes could be made\n",
  })
  expect(await readdir(join(folder, "secrets"))).toEqual([])
})

it.each([
  ["POSTGRES_PASSWORD=plain", "plain"],
  ["# POSTGRES_PASSWORD=old\n  export POSTGRES_PASSWORD = spaced  ", "spaced"],
  ["POSTGRES_PASSWORD='single'", "single"],
  ['POSTGRES_PASSWORD="double"\r\n', "double"],
  ["POSTGRES_PASSWORD=a#b # a comment", "a#b"],
  ["POSTGRES_PASSWORD=first\nPOSTGRES_PASSWORD=last", "last"],
])("takes a password over from .env: %j", async (lines, password) => {
  await writeFile(join(folder, ".env"), lines)
  await make()
  expect(await read("database_password")).toBe(`${password}\n`)
})

it.each([
  "POSTGRES_PASSWORD: colon",
  "\uFEFFPOSTGRES_PASSWORD=after-a-mark",
  "POSTGRES_PASSWORD=a\t#b",
  "POSTGRES_PASSWORD=abc\u00A0",
  'POSTGRES_PASSWORD="a b" # c',
  "POSTGRES_PASSWORD=$OTHER",
  "POSTGRES_PASSWORD=abc\\cdef",
  "POSTGRES_PASSWORD='it''s'",
])("makes no new password where .env may have one: %j", async (lines) => {
  await writeFile(join(folder, ".env"), lines)
  await expect(make()).rejects.toMatchObject({
    code: 1,
    stderr: expect.stringContaining("in a form that is not read here"),
  })
  expect(await readdir(join(folder, "secrets"))).toEqual(["auth_keys"])
})

it("takes a password over from the environment as it is", async () => {
  await make({ POSTGRES_PASSWORD: "it's $5 & more" })
  expect(await read("database_password")).toBe("it's $5 & more\n")
})

it("reads no folder as .env, and takes no variable of several lines over", async () => {
  await expect(make({ POSTGRES_PASSWORD: "a\nb" })).rejects.toMatchObject({ code: 1 })
  await mkdir(join(folder, ".env"))
  await expect(make()).rejects.toMatchObject({ code: 1, stderr: ".env cannot be read\n" })
  expect(await readdir(join(folder, "secrets"))).toEqual(["auth_keys"])
})
