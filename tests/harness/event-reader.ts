import { EventSource } from "eventsource"
import { eventually } from "./eventually.ts"

export interface AccountEvent {
  id: string
  type: string
  order?: { number: string; status: string; accrual?: number }
  withdrawal?: { order: string; sum: number }
  balance: number
}

/** Follows an account as a browser would: it connects again by itself and resumes. */
export class EventReader {
  readonly events: AccountEvent[] = []
  connections = 0
  readonly #source: EventSource

  /** `lastEventId`: of the first connection; later ones send what was seen. */
  constructor(url: string, authorization: string, lastEventId?: string) {
    this.#source = new EventSource(url, {
      fetch: (input, init) => {
        this.connections += 1
        const first = this.connections === 1 && lastEventId !== undefined
        const headers = {
          ...init.headers,
          authorization,
          ...(first ? { "last-event-id": lastEventId } : {}),
        }
        return fetch(input, { ...init, headers })
      },
    })
    for (const type of ["order", "withdrawal"]) {
      this.#source.addEventListener(type, ({ data, lastEventId: id }) => {
        this.events.push({ id, type, ...(JSON.parse(data as string) as { balance: number }) })
      })
    }
  }

  get isOpen(): boolean {
    return this.#source.readyState === this.#source.OPEN
  }

  async opened(): Promise<this> {
    await eventually("the stream is open", async () => this.isOpen)
    return this
  }

  async until(count: number, timeoutMs?: number): Promise<AccountEvent[]> {
    await eventually(`${count} events`, async () => this.events.length >= count, timeoutMs)
    return this.events
  }

  close(): void {
    this.#source.close()
  }
}
