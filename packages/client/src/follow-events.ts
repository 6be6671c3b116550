import { setTimeout as sleep } from "node:timers/promises"
import { createParser } from "eventsource-parser"
import { type GofermartClient, RefusedError, type Schemas } from "./client.ts"

type Data = Schemas["AccountEvent"]
/** A change of the account. `id` is the account's version that it made. */
export type AccountEvent = { id: string } & (
  | { event: "order"; data: Extract<Data, { order: unknown }> }
  | { event: "withdrawal"; data: Extract<Data, { withdrawal: unknown }> }
)

/** Until the server says otherwise. */
const RETRY_DELAY_MS = 2_000
const RETRY_DELAY_MIN_MS = 100
const RETRY_DELAY_MAX_MS = 30_000
/** The server says something every 15 seconds, or it is gone and the network has not noticed. */
const SILENCE_TIMEOUT_MS = 45_000
const EVENT_CHARACTERS_MAX = 100_000

/** Where a client is in the history of an account, and how it is to go on. */
interface Position {
  lastEventId: string | undefined
  retryDelayMs: number
}

/**
 * Gives an account's events, each once and in the order of their ids, until `signal` aborts. It
 * begins after `lastEventId`: "0" is all there was, and without one it is what comes from now on.
 * A stream that breaks or ends is resumed after its last event. Throws a RefusedError when that is
 * refused for good, as it is when the token has expired.
 *
 * ```ts
 * for await (const { id, event, data } of followEvents(client, { signal })) …
 * ```
 */
export async function* followEvents(
  client: GofermartClient,
  { signal, lastEventId }: { signal: AbortSignal; lastEventId?: string },
): AsyncGenerator<AccountEvent, void, undefined> {
  const position: Position = { lastEventId, retryDelayMs: RETRY_DELAY_MS }
  let failures = 0
  while (!signal.aborted) {
    const { stream, retryAfterMs = 0 } = await openStream(client, position, signal)
    failures = stream === undefined ? failures + 1 : 0
    for await (const event of stream === undefined ? [] : readEvents(stream, position)) {
      if (signal.aborted) return
      yield event
    }
    const delayMs = Math.max(position.retryDelayMs, RETRY_DELAY_MIN_MS, retryAfterMs)
    const boundedMs = Math.min(delayMs * 2 ** failures, RETRY_DELAY_MAX_MS)
    await sleep(boundedMs, undefined, { signal }).catch(() => {})
  }
}

/** Resolves without a stream when there may be one later. */
async function openStream(
  client: GofermartClient,
  { lastEventId }: Position,
  signal: AbortSignal,
): Promise<{ stream?: NonNullable<Response["body"]>; retryAfterMs?: number }> {
  const header = lastEventId === undefined ? {} : { "last-event-id": lastEventId }
  const asked = client.GET("/api/user/events", { params: { header }, parseAs: "stream", signal })
  // There is no connection, or nobody wants one any more.
  const answer = await asked.catch(() => undefined)
  if (answer === undefined) return {}
  const { data, error, response } = answer
  if (data) return { stream: data }
  if (response.status < 500 && response.status !== 429) throw new RefusedError(response, error)
  return { retryAfterMs: (Number(response.headers.get("retry-after")) || 0) * 1_000 }
}

/** Gives what comes on one stream, and moves the position along. */
async function* readEvents(
  stream: NonNullable<Response["body"]>,
  position: Position,
): AsyncGenerator<AccountEvent, void, undefined> {
  const parsed: AccountEvent[] = []
  const parser = createParser({
    maxBufferSize: EVENT_CHARACTERS_MAX,
    // An id may come without an event; it too is where to resume.
    onId: (id) => (position.lastEventId = id),
    onRetry: (delayMs) => (position.retryDelayMs = delayMs),
    onEvent({ id = "", event, data }) {
      if (event !== "order" && event !== "withdrawal") return
      parsed.push({ id, event, data: JSON.parse(data) } as AccountEvent)
    },
  })
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader()
  const cancel = () => reader.cancel().catch(() => {})
  const silence = setTimeout(() => void cancel(), SILENCE_TIMEOUT_MS)
  try {
    for (;;) {
      // A connection that breaks is as good as one that was closed.
      const { value } = await reader.read().catch(() => ({ value: undefined }))
      if (value === undefined) return
      silence.refresh()
      parser.feed(value)
      yield* parsed.splice(0)
    }
  } finally {
    clearTimeout(silence)
    await cancel()
  }
}
