import type { OrderNumber } from "@gofermart/shared/domain/order-number.ts"

export interface ScoringCall {
  number: string
  /** Epoch milliseconds when it arrived. */
  at: number
  /** Null while it is being answered. */
  status: number | null
}

/** The switches and the record of a running scoring simulator, over its own HTTP. */
export class SimulatorControl {
  readonly url: string

  constructor(url: string) {
    this.url = url
  }

  /** Makes the order known, so that it earns `price` points at 100 %. */
  async know(number: OrderNumber, price: number): Promise<void> {
    await this.#send("POST", "/api/goods", { match: "anything", reward: 100, reward_type: "%" })
    await this.#send("POST", "/api/orders", {
      order: number,
      goods: [{ description: "anything", price }],
    })
  }

  async mechanic(match: string, reward: number, type: "%" | "pt"): Promise<void> {
    await this.#send("POST", "/api/goods", { match, reward, reward_type: type })
  }

  async order(number: OrderNumber, goods: { description: string; price: number }[]): Promise<void> {
    await this.#send("POST", "/api/orders", { order: number, goods })
  }

  async behave(behaviour: Record<string, number | boolean>): Promise<void> {
    await this.#send("PUT", "/api/behaviour", behaviour)
  }

  async calls(): Promise<ScoringCall[]> {
    const response = await fetch(`${this.url}/api/calls`)
    return (await response.json()) as ScoringCall[]
  }

  async #send(method: string, path: string, body: object): Promise<void> {
    const response = await fetch(`${this.url}${path}`, {
      method,
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    })
    const text = await response.text()
    const ALREADY_KNOWN = 409
    if (!response.ok && response.status !== ALREADY_KNOWN) {
      throw new Error(`the simulator answered ${response.status}: ${text}`)
    }
  }
}
