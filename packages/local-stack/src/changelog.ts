const UNRELEASED = "## Unreleased\n"
const NEXT_VERSION = "\n## "

/**
 * Moves what is unreleased under a heading of its own, and gives it as `notes`. `date` is written as it
 * is. Throws when there is nothing to release.
 */
export function releaseChangelog(
  changelog: string,
  version: string,
  date: string,
): { changelog: string; notes: string } {
  const begin = changelog.indexOf(UNRELEASED)
  if (begin === -1) throw new Error("CHANGELOG.md has no section Unreleased.")
  const notesAt = begin + UNRELEASED.length
  const end = changelog.indexOf(NEXT_VERSION, notesAt)
  const notes = changelog.slice(notesAt, end === -1 ? undefined : end).trim()
  if (notes === "") throw new Error("CHANGELOG.md says nothing under Unreleased.")
  const heading = `\n## ${version} - ${date}\n`
  return {
    changelog: changelog.slice(0, notesAt) + heading + changelog.slice(notesAt),
    notes,
  }
}
