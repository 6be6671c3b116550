import { globSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

export const repository = fileURLToPath(new URL("../../", import.meta.url))

/** Each with its path from the root of the repository. */
export interface Document {
  path: string
  text: string
}

const read = (path: string): Document => ({
  path,
  text: readFileSync(join(repository, path), "utf8"),
})

/** Everything that people read, by paths from the root. */
export const documents: Document[] = globSync(
  ["*.md", "{docs,prisma,deploy,.github}/**/*.md", "packages/*/*.md", "tests/README.md"],
  { cwd: repository, exclude: (path) => path.includes("node_modules") },
)
  .toSorted()
  .map(read)

/** What says how things are now; a decision says how they were when it was made. */
export const currentDocuments = documents.filter(
  ({ path }) => !path.startsWith("docs/decisions/0") && path !== "CHANGELOG.md",
)

/** What whoever runs the system reads. */
export const operatorDocuments = documents.filter(
  ({ path }) => path === "docs/OPERATIONS.md" || path.startsWith("docs/runbooks/"),
)

/** What the first group of a pattern matches, each time. */
export function matches(text: string, pattern: RegExp): string[] {
  return [...text.matchAll(pattern)].map(([, found = ""]) => found)
}

const FENCED = /^ *```.*\n[^]*?^ *```$/gm

/** Without what is in code blocks. */
export function proseOf(markdown: string): string {
  return markdown.replaceAll(FENCED, "")
}

/** The anchors of a document's headings, as GitHub makes them. */
export function anchorsOf(markdown: string): string[] {
  return matches(proseOf(markdown), /^#+ (.*)$/gm).map((heading) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}_ -]/gu, "")
      .replaceAll(" ", "-"),
  )
}

/** A block of commands, and what the comment above it says: which test runs it, or why none does. */
export interface CommandBlock {
  path: string
  text: string
  /** The comment's whole text; empty when there is none. */
  mark: string
  /** The test that runs it. */
  runBy: string | undefined
  /** Why none does. */
  notRun: string | undefined
}

/** The blocks of a document that somebody might paste into a shell, or into psql. */
export function commandBlocksOf({ path, text }: Document): CommandBlock[] {
  const blocks = text.matchAll(/(?:<!-- ([^>]*) -->\n\s*)?^( *)```(?:sh|sql)\n([^]*?)^ *```$/gm)
  return [...blocks].map(([, mark = "", , body = ""]) => ({
    path,
    text: body,
    mark,
    runBy: /^run by (\S+)$/.exec(mark)?.[1],
    notRun: /^not run: (.+)$/.exec(mark)?.[1],
  }))
}

/** The code of what runs in production, in one text. */
export const sources = globSync(
  ["services/*/src/**/*.ts", "packages/{shared,operator,scoring-client}/src/**/*.ts"],
  { cwd: repository },
)
  .filter((file) => !file.includes("generated"))
  .map((file) => readFileSync(join(repository, file), "utf8"))
  .join("\n")

/** The names of our metrics, where they are made. */
export const metrics = matches(sources, /name: "(gofermart_\w+)"/g)
