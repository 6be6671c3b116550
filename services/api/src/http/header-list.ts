/** What a longer list accepts is not read: the answer is then that of a request without one. */
const ACCEPTED_LENGTH_MAX = 1_000

/** A list of what a client accepts, or nothing when nobody would need one so long. */
export function readAccepted(header: string | undefined): string | undefined {
  return header !== undefined && header.length <= ACCEPTED_LENGTH_MAX ? header : undefined
}

/** The members of a list in a header: a comma in quotes ends none (RFC 9110, section 5.6.1). */
export function membersOf(header: string): string[] {
  // What begins a quoted text and does not end it is quoted to the end.
  return header.match(/(?:[^,"]|"(?:[^"\\]|\\.?)*(?:"|$))+/g) ?? []
}
