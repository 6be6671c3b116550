/** A message of an event stream, as it was sent. */
interface Message {
  id: string
  event: string
  data: string
}

export interface MessageHandlers {
  /** An id, also one that comes without data; before the message that has it. */
  onId: (id: string) => void
  onRetry: (delayMs: number) => void
  onMessage: (message: Message) => void
}

/** A CR at the end of what has come may be half of a CRLF. */
const LINE_END = /\r\n|\n|\r(?!$)/

/**
 * Reads an event stream in the format of the HTML standard ("Parsing an event stream"), in whatever
 * pieces it comes. One parser reads one stream.
 */
export class EventStreamParser {
  readonly #handlers: MessageHandlers
  readonly #charactersMax: number
  #partialLine = ""
  #id: string | undefined
  #event = ""
  #data: string[] = []
  /** Of the data so far. */
  #characters = 0

  /** A message whose data, or a line that, has more than `charactersMax` makes `feed` throw a RangeError. */
  constructor(handlers: MessageHandlers, charactersMax: number) {
    this.#handlers = handlers
    this.#charactersMax = charactersMax
  }

  feed(text: string): void {
    const lines = (this.#partialLine + text).split(LINE_END)
    this.#partialLine = lines.pop() ?? ""
    for (const line of lines) {
      if (line === "") this.#endMessage()
      else this.#readLine(line)
    }
    this.#expectBounded(this.#characters + this.#partialLine.length)
  }

  #readLine(line: string): void {
    const [name, value] = splitField(line)
    switch (name) {
      case "id":
        if (!value.includes("\0")) this.#id = value
        break
      case "event":
        this.#event = value
        break
      case "data":
        this.#characters += value.length
        this.#expectBounded(this.#characters)
        this.#data.push(value)
        break
      case "retry":
        if (/^\d+$/.test(value)) this.#handlers.onRetry(Number(value))
        break
      // A comment, or a field of a later version of the format.
      default:
    }
  }

  #endMessage(): void {
    const [id, event, data] = [this.#id, this.#event, this.#data]
    this.#id = undefined
    this.#event = ""
    this.#data = []
    this.#characters = 0
    if (id !== undefined) this.#handlers.onId(id)
    if (data.length > 0) this.#handlers.onMessage({ id: id ?? "", event, data: data.join("\n") })
  }

  #expectBounded(characters: number): void {
    if (characters <= this.#charactersMax) return
    throw new RangeError(
      `the event stream has a message of more than ${this.#charactersMax} characters`,
    )
  }
}

/** A comment is a field without a name. */
function splitField(line: string): [name: string, value: string] {
  const colon = line.indexOf(":")
  if (colon === -1) return [line, ""]
  const valueAt = line[colon + 1] === " " ? colon + 2 : colon + 1
  return [line.slice(0, colon), line.slice(valueAt)]
}
