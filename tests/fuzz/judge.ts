import type { Description, Place, SeenAnswer } from "../harness/description.ts"
import type { Answer } from "./answer.ts"
import type { Exchange } from "./connection.ts"
import { bodyOf, type Draft, endsItsSide, header } from "./draft.ts"
import type { Person } from "./people.ts"

/** What an answer must not be. */
class FindingError extends Error {
  override name = "FindingError"
}

/** What is needed to tell whose an answer is. */
export interface Acquaintances {
  sender: Person
  others: Person[]
}

/** What may be answered before it is known what is asked for. */
const OF_THE_SERVER = [400, 404, 405, 408, 413, 417, 431]

/** Throws a `FindingError` when what came back is not what should. */
export function judge(
  draft: Draft,
  exchange: Exchange,
  description: Description,
  acquaintances: Acquaintances,
): void {
  const { answers, rest, hasEnded } = exchange
  const [answer, next] = answers
  const isEnded = endsItsSide(draft)
  if (answer === undefined) {
    // The operators' listener knows no tunnels, and says so by hanging up.
    const isTunnel = draft.aim.listener === "operators" && draft.method === "CONNECT"
    if (!isEnded && !isTunnel) throw new FindingError("the connection was closed without an answer")
    return
  }
  if (rest.length > 0 && !hasEnded && !isEnded && !answer.isStream) {
    throw new FindingError(`there is more behind the answer: ${rest.subarray(0, 200).toString()}`)
  }
  for (const one of answers) {
    if (one.status >= 500 && one.status !== 503) fail(one, "a fault of its own")
  }
  if (draft.delivery.how === "followed" && !isEnded && !hasEnded && !answer.isStream) {
    if (next?.status !== 200) fail(answer, `then ${next?.status ?? "nothing"} to the next`)
  }
  const isNoisy = draft.delivery.how === "noisy" && draft.changes.length === 0
  if (isNoisy && next?.status !== 400 && !answer.isStream) {
    fail(answer, `then ${next?.status ?? "nothing"} to what is no request`)
  }
  if (draft.aim.listener === "operators") return
  const complaint = complaintOf(draft, answer, description)
  if (complaint !== undefined) fail(answer, complaint)
  if (isWrong(draft, description) && !(answer.status >= 400 && answer.status < 500)) {
    fail(answer, "to what has to be refused")
  }
  if (!isCodingTaken(draft, answer)) fail(answer, "in a coding that was not asked for")
  const foreign = foreignIn(draft, answer, acquaintances)
  if (foreign !== undefined) fail(answer, `with another user's ${foreign}`)
}

function fail({ status, headers, body }: Answer, complaint: string): never {
  const type = headers.get("content-type") ?? "no content type"
  throw new FindingError(
    `answered ${status} ${complaint}\n${type}: ${body.toString().slice(0, 1_000)}`,
  )
}

function complaintOf(draft: Draft, answer: Answer, description: Description): string | undefined {
  const { status, headers, isStream } = answer
  const isHead = draft.method === "HEAD"
  const body = answer.body.toString()
  const seen: SeenAnswer = { status, headers, isHead, body: isStream ? ": a stream" : body }
  const complaints = placesOf(draft, status, description).map((place) =>
    description.complaint(place, seen),
  )
  if (!complaints.includes(undefined)) return complaints[0] ?? "where nothing is described"
  if (isStream) return isHead ? undefined : complaintAboutStream(body, description)
  if (status === 401 && !headers.has("www-authenticate")) return "without www-authenticate"
  if (!isHead && status >= 400 && headers.get("content-type")?.includes("problem") === true) {
    const { request_id: id, status: said } = JSON.parse(body) as Record<string, unknown>
    if (id !== headers.get("x-request-id")) return "with another request's id in its body"
    if (said !== status) return "with another status in its body"
  }
  return undefined
}

/**
 * The operations whose descriptions the answer may be one of. What is no request to any of them is
 * refused as the one that it was made from describes it.
 */
function placesOf(draft: Draft, status: number, description: Description): Place[] {
  const { aim, method } = draft
  const aimed: Place = { path: aim.path, verb: aim.method.toLowerCase() }
  const there = description.placesAt(pathnameOf(draft))
  const verb = method === "HEAD" ? "get" : method.toLowerCase()
  const meant = there.filter((place) => place.verb === verb)
  if (meant.length > 0 && !draft.isBlurred) return meant
  if (draft.isBlurred) return [...meant, aimed]
  return OF_THE_SERVER.includes(status) ? [aimed, ...there] : meant
}

function pathnameOf({ path }: Draft): string {
  const pathname = path.replace(/^https?:\/\/[^/]*/i, "").split(/[?#]/, 1)[0] ?? ""
  try {
    return decodeURI(pathname.trim())
  } catch {
    return pathname
  }
}

const EVENT_DATA = /^data: (.*)$/gm

function complaintAboutStream(text: string, description: Description): string | undefined {
  if (!/^retry: \d+\nid: \d+\n\n/.test(text)) return "which does not begin as an event stream"
  // The last may not be there as a whole.
  const whole = text.slice(0, text.lastIndexOf("\n\n"))
  for (const [, data = ""] of whole.matchAll(EVENT_DATA)) {
    const complaint = description.complaintAboutComponent("AccountEvent", data)
    if (complaint !== undefined) return `with an event ${complaint}`
  }
  return undefined
}

/** Whether a change that was made alone makes it a request to be refused. */
function isWrong(draft: Draft, description: Description): boolean {
  if (draft.changes.length > 1 || draft.isBlurred) return false
  return draft.isWrong || !isBodyTaken(draft, description)
}

/** Also of bodies that were only meant to be other ones, such as a number in another form. */
function isBodyTaken(draft: Draft, description: Description): boolean {
  const { aim } = draft
  const isPlain = draft.codings.length === 0
  if (aim.body?.type !== "application/json" || !isPlain || draft.method !== aim.method) return true
  if (header(draft, "content-type") !== aim.body.type) return true
  const place = { path: aim.path, verb: aim.method.toLowerCase() }
  try {
    const value: unknown = JSON.parse(bodyOf(draft)?.toString() ?? "")
    return description.takesBody(place, aim.body.type, value)
  } catch {
    return false
  }
}

/** RFC 9110, section 12.5.3; without the header, ours is not compressed. */
function isCodingTaken(draft: Draft, { headers }: Answer): boolean {
  const coding = headers.get("content-encoding")
  if (coding === null || draft.changes.length > 1) return true
  const accepted = (header(draft, "accept-encoding") ?? "")
    .toLowerCase()
    .replaceAll("x-gzip", "gzip")
    .split(",")
  const weightOf = (name: string) => {
    const item = accepted.find((one) => one.split(";", 1)[0]?.trim() === name)
    return item === undefined ? undefined : Number(/;\s*q=([\d.]+)/.exec(item)?.[1] ?? 1)
  }
  return (weightOf(coding) ?? weightOf("*") ?? 0) > 0
}

/** What of another user's is in the answer, without having been in the request. */
function foreignIn(
  draft: Draft,
  { headers, body }: Answer,
  { sender, others }: Acquaintances,
): string | undefined {
  const text = `${[...headers].join("\n")}\n${body.toString()}`
  const sent = JSON.stringify(draft, (_name, value: unknown) => value)
  for (const { login, numbers } of others) {
    if (text.includes(login) && !sent.includes(login)) return "login"
    const order = numbers.find((number) => text.includes(`"${number}"`) && !sent.includes(number))
    if (order !== undefined) return `order ${order}`
  }
  const ids = new Set(others.map(({ id }) => String(id)))
  for (const [, claims = ""] of text.matchAll(/eyJ[\w-]+\.([\w-]+)\./g)) {
    const { sub } = readClaims(claims)
    if (sub !== undefined && sub !== String(sender.id) && ids.has(sub)) return "token"
  }
  return undefined
}

function readClaims(part: string): { sub?: string } {
  try {
    return JSON.parse(Buffer.from(part, "base64url").toString()) as { sub?: string }
  } catch {
    return {}
  }
}
