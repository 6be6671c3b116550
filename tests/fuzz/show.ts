import { bodyOf, type Draft, endsItsSide, HOST, targetOf, TOKEN, write } from "./draft.ts"

/** Where `pnpm start` serves, for whoever tries it by hand. */
const PORTS = { api: "127.0.0.1:8080", operators: "127.0.0.1:8090" }

/**
 * Shows a request as a command that sends it, with the token in `$TOKEN`: with `curl` where that can
 * say it, and else as bytes.
 */
export function show(draft: Draft): string {
  return asCurl(draft) ?? asBytes(draft)
}

function asCurl(draft: Draft): string | undefined {
  const { method, version, headers, oddLines, preface, chunks, delivery } = draft
  const listed = headers.filter(([, value]) => value !== HOST)
  const isOrdinary =
    version === "HTTP/1.1" &&
    oddLines.length === 0 &&
    preface === "" &&
    chunks === undefined &&
    delivery.how === "whole" &&
    /^[A-Z]+$/.test(method) &&
    draft.path.startsWith("/") &&
    isPrintable(targetOf(draft)) &&
    listed.every(([name, value]) => /^[\w-]+$/.test(name) && isPrintable(value) && value !== "")
  const body = bodyOf(draft)?.toString()
  if (!isOrdinary || (body !== undefined && !isPrintable(body))) return undefined
  const given = new Set(headers.map(([name]) => name.toLowerCase()))
  // What curl would add by itself.
  const removed = ["Accept", "User-Agent", ...(body === undefined ? [] : ["Content-Type"])]
    .filter((name) => !given.has(name.toLowerCase()))
    .map((name) => `-H ${quote(`${name}:`)}`)
  return [
    `curl -i -g --path-as-is ${method === "HEAD" ? "-I" : `-X ${method}`}`,
    ...listed.map(([name, value]) => `-H ${quote(`${name}: ${value}`)}`),
    ...removed,
    ...(body === undefined ? [] : [`--data-binary ${quote(body)}`]),
    quote(`http://${PORTS[draft.aim.listener]}${targetOf(draft)}`),
  ].join(" ")
}

function asBytes(draft: Draft): string {
  const address = PORTS[draft.aim.listener]
  const bytes = write(draft, (text) => text.replaceAll(HOST, address))
  const { delivery } = draft
  const cut = delivery.how === "cut" ? Math.floor(bytes.length * delivery.at) : bytes.length
  const values: string[] = []
  const format = bytes
    .subarray(0, cut)
    .toString("latin1")
    .replaceAll(NOT_AS_IT_IS, (piece) => {
      if (piece.length === 1) return escape(piece)
      values.push(piece === TOKEN_BYTES ? '"$TOKEN"' : `"${repeated(piece)}"`)
      return "%s"
    })
  return [
    `printf '${format}'`,
    ...values,
    `| nc ${endsItsSide(draft) ? "-N" : "-w 2"} ${address.replace(":", " ")}   # sent: ${delivery.how}`,
  ].join(" ")
}

/** So many of one letter are written as what makes them. */
const RUN = /(\w)\1{99,}/g
const TOKEN_BYTES = Buffer.from(TOKEN).toString("latin1")
/** The token, such letters, and what a shell or printf would take for something else. */
const NOT_AS_IT_IS = new RegExp(`${TOKEN_BYTES}|${RUN.source}|[^\\x20-\\x7e]|[\\\\'%]`, "g")

function repeated(run: string): string {
  return `$(printf '%0${run.length}d' 0 | tr 0 ${run[0]})`
}

function isPrintable(text: string): boolean {
  return /^[\x20-\x7e]*$/.test(text.replaceAll(TOKEN, ""))
}

/** For a shell, with the token as a variable. */
function quote(text: string): string {
  return `'${text
    .replaceAll("'", "'\\''")
    .replaceAll(TOKEN, `'"$TOKEN"'`)
    .replaceAll(RUN, (run) => `'"${repeated(run)}"'`)}'`
}

/** For printf. */
function escape(character: string): string {
  if (character === "\r") return "\\r"
  if (character === "\n") return "\\n"
  if (character === "%") return "%%"
  return `\\${character.charCodeAt(0).toString(8).padStart(3, "0")}`
}
