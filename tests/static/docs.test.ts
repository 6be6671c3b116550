import { existsSync, globSync, readFileSync } from "node:fs"
import { dirname, join, normalize } from "node:path"
import { BUILT_FROM, builtPath } from "@gofermart/bundle/build.ts"
import { describe, expect, it } from "vitest"
import { readCompose, REQUIRED } from "../deploy/compose.ts"
import {
  anchorsOf,
  commandBlocksOf,
  currentDocuments,
  type Document,
  documents,
  matches,
  proseOf,
  repository,
} from "./documents.ts"

const read = (path: string) => readFileSync(join(repository, path), "utf8")

/** The links of a document to this repository, as `file#anchor` from its root. */
function linksOf({ path, text }: Document): string[] {
  const targets = matches(proseOf(text), /\]\(([^)\s]+)\)/g)
  return targets
    .filter((target) => !/^[a-z]+:/.test(target))
    .map((target) => {
      const [file = "", anchor] = target.split("#")
      const from = file === "" ? path : normalize(join(dirname(path), file))
      return anchor === undefined ? from : `${from}#${anchor}`
    })
}

function leadsSomewhere(link: string): boolean {
  const [file = "", anchor] = link.split("#")
  if (!existsSync(join(repository, file))) return false
  return anchor === undefined || anchorsOf(read(file)).includes(anchor)
}

describe("a link in the docs", () => {
  it("is found, and an anchor is made as GitHub makes it", () => {
    const text = "# A `b`, c\n\n[x](#a-b-c) [y](../z.md#q) [far](https://example.org)\n"
    expect(linksOf({ path: "docs/d.md", text })).toEqual(["docs/d.md#a-b-c", "z.md#q"])
    expect(anchorsOf(text)).toEqual(["a-b-c"])
    expect(leadsSomewhere("README.md#there-is-none")).toBe(false)
  })

  it.each(documents)("leads somewhere: $path", (document) => {
    expect(linksOf(document).filter((link) => !leadsSomewhere(link))).toEqual([])
  })
})

it("docs/decisions/README.md has every decision, once", () => {
  const decisions = globSync("docs/decisions/0*.md", { cwd: repository })
  const listed = linksOf({
    path: "docs/decisions/README.md",
    text: read("docs/decisions/README.md"),
  })
  expect(listed.toSorted()).toEqual(decisions.toSorted())
})

const files = globSync("**/*.{ts,sql,yml,json,md,prisma}", {
  cwd: repository,
  exclude: (path) => /node_modules|\.data|reports/.test(path),
})

it.each(currentDocuments)("$path names only files that there are", ({ text }) => {
  const named = matches(text, /`((?:[\w.-]+\/)*[\w.-]+\.(?:ts|sql|yml|json|prisma))`/g)
  const isThere = (name: string) => files.some((file) => file === name || file.endsWith(`/${name}`))
  expect(named.filter((name) => !isThere(name))).toEqual([])
})

const blocks = currentDocuments.flatMap(commandBlocksOf)

describe("a block of commands", () => {
  it("is found with its mark", () => {
    const text = "<!-- not run: why -->\n\n```sh\na\n```\n\n  ```sql\n  b\n  ```\n"
    expect(commandBlocksOf({ path: "a.md", text })).toMatchObject([
      { text: "a\n", notRun: "why" },
      { text: "  b\n", mark: "" },
    ])
  })

  it("runs in a test, or says why not", () => {
    expect(blocks.length).toBeGreaterThan(15)
    const unmarked = blocks.filter(
      ({ runBy, notRun }) => runBy === undefined && notRun === undefined,
    )
    expect(unmarked.map(({ path, text }) => `${path}: ${text}`)).toEqual([])
    for (const { runBy } of blocks) {
      if (runBy !== undefined) expect(read(runBy)).toContain("commandBlocksOf")
    }
  })
})

const scripts = Object.keys((JSON.parse(read("package.json")) as { scripts: object }).scripts)
/** What pnpm does itself. */
const OF_PNPM = ["install", "exec", "pack"]
const { services } = readCompose(REQUIRED)
/** Everything that reads a command line or the environment. */
const sources = globSync(
  ["{services,packages}/*/src/**/*.ts", "{benchmarks,tests}/{,chaos/,fuzz/,mutations/}*.ts"],
  { cwd: repository, exclude: (path) => path.includes("node_modules") },
)
  .map(read)
  .join("\n")
/** Other programs' variables, and what a block sets for itself. */
const NO_SETTINGS = ["PGDATA", "SERVER_URL"]

/** The commands of all blocks, a line each, without comments. */
const commands = blocks.flatMap(({ path, text }) =>
  text
    .replaceAll("\\\n", " ")
    .split("\n")
    .map((line) => ({ path, line: line.replace(/(^|\s)#.*/, "").trim() })),
)

describe("the command blocks name only what there is:", () => {
  const named = (pattern: RegExp) =>
    commands.flatMap(({ path, line }) =>
      matches(line, pattern).map((name) => ({ path, line, name })),
    )

  it("scripts", () => {
    const called = named(/pnpm@12 (?:--filter \S+ )?([\w:-]+)/g)
    expect(called.length).toBeGreaterThan(15)
    const known = new Set([...scripts, ...OF_PNPM])
    expect(called.filter(({ name }) => !known.has(name))).toEqual([])
  })

  it("the operators' commands", () => {
    const called = named(/(?:gofermart|dist\/gofermart\.js) ([a-z]+)\b/g)
    expect(called.length).toBeGreaterThan(8)
    const known = matches(read("packages/operator/src/program.ts"), /\.command\("(\w+)"\)/g)
    expect(called.filter(({ name }) => !known.includes(name))).toEqual([])
  })

  it("options of our programs", () => {
    const ours = /pnpm@12|dist\/gofermart\.js/
    const given = named(/ --([a-z][a-z-]+)/g).filter(({ line }) => ours.test(line))
    expect(given.length).toBeGreaterThan(5)
    const isKnown = (name: string) =>
      name === "help" || sources.includes(`--${name}`) || sources.includes(`"${name}":`)
    expect(given.filter(({ name }) => !isKnown(name))).toEqual([])
  })

  it("programs", () => {
    const run = named(/\bnode (\S+)/g)
    expect(run.length).toBeGreaterThan(5)
    const built = (Object.keys(BUILT_FROM) as (keyof typeof BUILT_FROM)[]).map(builtPath)
    expect(run.filter(({ name }) => !built.includes(name))).toEqual([])
  })

  it("tests", () => {
    const called = named(/pnpm@12 (?:unit|system) ([\w/.-]+)/g)
    expect(called.length).toBeGreaterThan(2)
    const tests = globSync("{packages,services,tests}/**/*.test.ts", {
      cwd: repository,
      exclude: (path) => path.includes("node_modules"),
    })
    expect(called.filter(({ name }) => !tests.some((test) => test.includes(name)))).toEqual([])
  })

  it("settings", () => {
    const set = named(/\b([A-Z][A-Z0-9]*_[A-Z0-9_]+)\b/g)
    expect(set.length).toBeGreaterThan(5)
    const isKnown = (name: string) => NO_SETTINGS.includes(name) || sources.includes(name)
    expect(set.filter(({ name }) => !isKnown(name))).toEqual([])
  })

  it("services of docker-compose.yml", () => {
    const called = named(/docker compose .*?(?:--scale |--rm )([a-z-]+)/g)
    expect(called.length).toBeGreaterThan(1)
    expect(called.filter(({ name }) => !(name in services))).toEqual([])
  })
})
