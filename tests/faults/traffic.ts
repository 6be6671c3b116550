import { setTimeout as sleep } from "node:timers/promises"
import type { Customer } from "@gofermart/local-stack/customer.ts"
import { newNumber } from "../harness/numbers.ts"
import type { System } from "../harness/system.ts"

const CUSTOMERS = 4
const LANES = 8
/** Between the requests of one lane: a fault is to meet requests under way, not a busy machine. */
const REST_MS = 10
/** Of ten requests one pays with points; the others upload. */
const WITHDRAWAL_EVERY = 10
const RETRY_DELAY_MS = 100
/** How often a client sends a request again that got no answer or a 503. */
const ATTEMPTS_MAX = 600

export interface Withdrawal {
  login: string
  order: string
  /** Hundredths of a point. */
  hundredths: number
}

/**
 * Customers who upload and withdraw for as long as a fault lasts, as careful clients do: what got no
 * answer, or a 503, is sent again, a withdrawal under its key. It keeps its own record of what was
 * acknowledged, to compare the database with.
 */
export class Traffic {
  /** By order number: whose upload was answered with 202 or 200. */
  readonly uploads = new Map<string, string>()
  /** By key: what was answered with 200. */
  readonly withdrawals = new Map<string, Withdrawal>()
  /** By key: what was sent at all. */
  readonly attempted = new Map<string, Withdrawal>()
  /** How often there was which answer, such as `upload 202` or `withdrawal no answer`. */
  readonly answers = new Map<string, number>()
  readonly #customers: Customer[]
  readonly #restMs: number
  readonly #lanes: Promise<void>[] = []
  #stopping = false

  private constructor(customers: Customer[], restMs: number) {
    this.#customers = customers
    this.#restMs = restMs
  }

  static async start(system: System): Promise<Traffic> {
    await system.simulator.behave({ autoRegister: true })
    const customers = await Promise.all(Array.from({ length: CUSTOMERS }, () => system.register()))
    return Traffic.begin(customers, REST_MS)
  }

  /** The same with customers who are there, and another rest. */
  static begin(customers: Customer[], restMs: number): Traffic {
    const traffic = new Traffic(customers, restMs)
    for (let lane = 0; lane < LANES; lane++) traffic.#lanes.push(traffic.#run(lane))
    return traffic
  }

  /** Lets every request come to its answer, and sends no more. */
  async stop(): Promise<void> {
    this.#stopping = true
    await Promise.all(this.#lanes)
  }

  async #run(lane: number): Promise<void> {
    for (let i = 1; !this.#stopping; i++) {
      const customer = this.#customers[(lane + i) % this.#customers.length]
      if (customer === undefined) return
      if (i % WITHDRAWAL_EVERY === 0) await this.#withdraw(customer, `${lane}-${i}`, i)
      else await this.#upload(customer)
      await sleep(this.#restMs)
    }
  }

  async #upload(customer: Customer): Promise<void> {
    const number = newNumber()
    const status = await this.#sendUntilAnswered("upload", () =>
      customer.request("POST", "/api/user/orders", number, "text/plain"),
    )
    if (status === 202 || status === 200) this.uploads.set(number, customer.login)
  }

  async #withdraw(customer: Customer, key: string, hundredths: number): Promise<void> {
    const order = newNumber()
    const withdrawal = { login: customer.login, order, hundredths }
    this.attempted.set(key, withdrawal)
    const status = await this.#sendWithdrawal(customer, key, withdrawal)
    if (status === 200) this.withdrawals.set(key, withdrawal)
  }

  #sendWithdrawal(customer: Customer, key: string, { order, hundredths }: Withdrawal) {
    return this.#sendUntilAnswered("withdrawal", async () => {
      const { response } = await customer.client.POST("/api/user/balance/withdraw", {
        body: { order, sum: hundredths / 100 },
        params: { header: { "idempotency-key": key } },
      })
      return response
    })
  }

  /** Resolves with the status of the first answer that is one, undefined when there never was. */
  async #sendUntilAnswered(
    what: string,
    send: () => Promise<Response>,
  ): Promise<number | undefined> {
    for (let attempt = 1; attempt <= ATTEMPTS_MAX; attempt++) {
      // A connection that is refused, reset or cut is what the faults are about.
      const status = await send().then(
        (response) => response.status,
        () => undefined,
      )
      const answer = `${what} ${status ?? "no answer"}`
      this.answers.set(answer, (this.answers.get(answer) ?? 0) + 1)
      if (status !== undefined && status !== 503) return status
      await sleep(RETRY_DELAY_MS)
    }
    return undefined
  }
}
