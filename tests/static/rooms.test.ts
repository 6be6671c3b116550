import { globSync, readFileSync } from "node:fs"
import { dirname, join, normalize } from "node:path"
import { describe, expect, it } from "vitest"
import { matches, repository } from "./documents.ts"

const read = (path: string) => readFileSync(join(repository, path), "utf8")

/** The drawing of a folder's rooms in docs/ARCHITECTURE.md, as `from --> to`. */
function drawnIn(folder: string): { rooms: string[]; arrows: string[] } {
  const drawings = matches(read("docs/ARCHITECTURE.md"), /^```mermaid\n([^]*?)^```$/gm)
  const drawing = drawings.find((text) => text.includes(`%% ${folder}\n`)) ?? ""
  const arrows = drawing.matchAll(/^ *([\w-]+)(?:\["[^"]*"\])? --> ([\w-]+)$/gm)
  return {
    rooms: [...new Set(matches(drawing, /^ *([\w-]+)(?:\["| -->)/gm))].toSorted(),
    arrows: [...arrows].map(([, from, to]) => `${from} --> ${to}`).toSorted(),
  }
}

const modules = globSync("{packages,services}/*/src/**/*.ts", { cwd: repository })
  .filter((path) => !path.includes("generated") && !path.endsWith(".test.ts"))
  .map((path) => ({ path, imports: importsOf(path) }))

/** What a module imports of this repository, by paths from its root. */
function importsOf(path: string): string[] {
  const specifiers = matches(read(path), /\b(?:from|import) ?\(?"([^"]+)"/g)
  return specifiers.flatMap((specifier) => {
    if (specifier.startsWith(".")) return [normalize(join(dirname(path), specifier))]
    const [, name, file = ""] = /^@gofermart\/([\w-]+)(?:\/(.+))?$/.exec(specifier) ?? []
    return name === undefined ? [] : [`packages/${name}/src/${file}`]
  })
}

/** The imports between rooms, as `from --> to`. `roomOf`: undefined for what is in none. */
function importedBetween(roomOf: (path: string) => string | undefined): string[] {
  const arrows = modules.flatMap(({ path, imports }) =>
    imports.map((imported) => ({ from: roomOf(path), to: roomOf(imported) })),
  )
  const between = arrows.filter(
    ({ from, to }) => from !== undefined && to !== undefined && from !== to,
  )
  return [...new Set(between.map(({ from, to }) => `${from} --> ${to}`))].toSorted()
}

/** Arrows that are left when rooms that import nothing are taken away again and again. */
function circlesIn(arrows: string[]): string[] {
  const froms = new Set(arrows.map((arrow) => arrow.split(" --> ")[0]))
  const rest = arrows.filter((arrow) => froms.has(arrow.split(" --> ")[1] ?? ""))
  return rest.length === arrows.length ? rest : circlesIn(rest)
}

it("a circle is found, and what leads to it", () => {
  expect(circlesIn(["a --> b", "b --> c"])).toEqual([])
  expect(circlesIn(["a --> b", "b --> a", "b --> c"])).toEqual(["a --> b", "b --> a"])
})

describe("the packages", () => {
  const packageOf = (path: string) => /^(?:packages|services)\/([\w-]+)\//.exec(path)?.[1]

  it("import one another as docs/ARCHITECTURE.md draws it, and in no circle", () => {
    const { rooms, arrows } = drawnIn("packages")
    expect(new Set(rooms)).toEqual(new Set(modules.map(({ path }) => packageOf(path))))
    expect(importedBetween(packageOf)).toEqual(arrows)
    expect(circlesIn(arrows)).toEqual([])
  })
})

describe.each(["packages/shared/src", "services/api/src", "services/accrual-worker/src"])(
  "the rooms of %s",
  (folder) => {
    const roomOf = (path: string) => {
      if (!path.startsWith(`${folder}/`)) return undefined
      const [room = "", file] = path.slice(folder.length + 1).split("/")
      return file === undefined ? "programs" : room
    }
    const { rooms, arrows } = drawnIn(folder)

    it("are those that docs/ARCHITECTURE.md draws", () => {
      const there = new Set(modules.flatMap(({ path }) => roomOf(path) ?? []))
      expect([...there].filter((room) => room !== "programs").toSorted()).toEqual(rooms)
    })

    it("import one another as it is drawn there, and in no circle", () => {
      const isOfPrograms = (arrow: string) => arrow.startsWith("programs --> ")
      expect(importedBetween(roomOf).filter((arrow) => !isOfPrograms(arrow))).toEqual(arrows)
      expect(circlesIn(arrows)).toEqual([])
    })
  },
)
