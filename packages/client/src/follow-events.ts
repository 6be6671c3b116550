import { type GofermartClient, RefusedError, type Schemas } from "./client.ts"
import { EventStreamParser, type MessageHandlers } from "./event-stream-parser.ts"
import { sleep } from "./sleep.ts"

type Data = Schemas["AccountEvent"]
type KeysOf<Each> = Each extends unknown ? keyof Each : never
/** An event has the name of what its data tell, beside the balance. */
type EventName = Exclude<KeysOf<Data>, "balance">
/** A change of the account. `id` is the account's version that it made. */
export type AccountEvent = {
  [Name in EventName]: { id: string; event: Name; data: Extract<Data, Record<Name, unknown>> }
}[EventName]

/** Others, of a newer API, are passed over. */
const KNOWN_EVENTS: ReadonlySet<string> = new Set(
  Object.keys({ order: true, withdrawal: true } satisfies Record<EventName, true>),
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
    await sleep(boundedMs, signal)
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
  const handlers: MessageHandlers = {
    // An id may come without an event; it too is where to resume.
    onId: (id) => void (position.lastEventId = id),
    onRetry: (delayMs) => void (position.retryDelayMs = delayMs),
    onMessage: ({ id, event, data }) => {
      if (!KNOWN_EVENTS.has(event)) return
      parsed.push({ id, event, data: JSON.parse(data) } as AccountEvent)
    },
  }
  const parser = new EventStreamParser(handlers, EVENT_CHARACTERS_MAX)
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader()
  const cancel = () => reader.cancel().catch(() => {})
  const cancelAfterSilence = () => setTimeout(() => void cancel(), SILENCE_TIMEOUT_MS)
  let silence = cancelAfterSilence()
  try {
    for (;;) {
      // A connection that breaks is as good as one that was closed.
      const { value } = await reader.read().catch(() => ({ value: undefined }))
      if (value === undefined) return
      clearTimeout(silence)
      silence = cancelAfterSilence()
      parser.feed(value)
      yield* parsed.splice(0)
    }
  } finally {
    clearTimeout(silence)
    await cancel()
  }
}
