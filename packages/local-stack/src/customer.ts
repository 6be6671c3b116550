import {
  createGofermartClient,
  type GofermartClient,
  RefusedError,
  type Schemas,
} from "@gofermart/client"

/** A customer's side of the HTTP API, as a shop's front end would use it. A refusal is thrown. */
export class Customer {
  readonly login: string
  /** The value of the Authorization header. */
  readonly authorization: string
  readonly client: GofermartClient
  readonly #apiUrl: string

  private constructor(apiUrl: string, login: string, token: string) {
    this.#apiUrl = apiUrl
    this.login = login
    this.authorization = `Bearer ${token}`
    this.client = createGofermartClient(apiUrl, { token })
  }

  static async register(apiUrl: string, login: string): Promise<Customer> {
    const body = { login, password: `the password of ${login}` }
    const answer = await createGofermartClient(apiUrl).POST("/api/user/register", { body })
    return new Customer(apiUrl, login, accepted(answer).access_token)
  }

  /** Sends any request as this customer, also one that the API does not offer. */
  request(method: string, path: string, body?: string, type?: string): Promise<Response> {
    return fetch(`${this.#apiUrl}${path}`, {
      method,
      headers: {
        authorization: this.authorization,
        ...(type === undefined ? {} : { "content-type": type }),
      },
      ...(body === undefined ? {} : { body }),
    })
  }

  /** Resolves with the status. */
  async upload(number: string): Promise<number> {
    const answer = await this.client.POST("/api/user/orders", { body: number })
    accepted(answer)
    return answer.response.status
  }

  /** Uploads an order and resolves with it when it is final, or as it is after `waitS` seconds. */
  async uploadAndWait(number: string, waitS: number): Promise<Schemas["Order"]> {
    const params = { header: { prefer: `wait=${waitS}` } }
    const answer = await this.client.POST("/api/user/orders", { body: number, params })
    const order = accepted(answer)
    if (order === undefined) throw new Error(`the API did not wait for order ${number}`)
    return order
  }

  async withdraw(order: string, sum: number): Promise<void> {
    accepted(await this.client.POST("/api/user/balance/withdraw", { body: { order, sum } }))
  }

  async orders(): Promise<Schemas["Order"][]> {
    return accepted(await this.client.GET("/api/user/orders")) ?? []
  }

  async withdrawals(): Promise<Schemas["Withdrawal"][]> {
    return accepted(await this.client.GET("/api/user/withdrawals")) ?? []
  }

  async balance(): Promise<Schemas["Balance"]> {
    return accepted(await this.client.GET("/api/user/balance"))
  }
}

interface Answer<Data> {
  data?: Data
  error?: Schemas["Problem"]
  response: Response
}

function accepted<Data>({ data, error, response }: Answer<Data>): Data {
  if (!response.ok) throw new RefusedError(response, error)
  return data as Data
}
