export interface OrderView {
  number: string
  status: "NEW" | "PROCESSING" | "INVALID" | "PROCESSED"
  accrual?: number
  uploaded_at: string
}

export interface WithdrawalView {
  order: string
  sum: number
  processed_at: string
}

export interface BalanceView {
  current: number
  withdrawn: number
}

/** An answer that the API's contract does not give to what was asked. */
class UnexpectedAnswerError extends Error {
  override name = "UnexpectedAnswerError"
}

/** A customer's side of the HTTP API, as a shop's front end would use it. */
export class Customer {
  readonly login: string
  readonly #apiUrl: string
  /** The value of the Authorization header. */
  readonly authorization: string

  private constructor(apiUrl: string, login: string, token: string) {
    this.#apiUrl = apiUrl
    this.login = login
    this.authorization = `Bearer ${token}`
  }

  static async register(apiUrl: string, login: string): Promise<Customer> {
    const response = await fetch(`${apiUrl}/api/user/register`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ login, password: `the password of ${login}` }),
    })
    const { access_token } = await read<{ access_token: string }>(response, [200])
    return new Customer(apiUrl, login, access_token)
  }

  /** Sends any request as this customer. */
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

  /** Resolves with the status; throws when the upload was refused. */
  async upload(number: string): Promise<number> {
    const response = await this.request("POST", "/api/user/orders", number, "text/plain")
    await read(response, [200, 202])
    return response.status
  }

  async withdraw(order: string, sum: number): Promise<void> {
    const body = JSON.stringify({ order, sum })
    await read(
      await this.request("POST", "/api/user/balance/withdraw", body, "application/json"),
      [200],
    )
  }

  async orders(): Promise<OrderView[]> {
    return (
      (await read<OrderView[]>(await this.request("GET", "/api/user/orders"), [200, 204])) ?? []
    )
  }

  async withdrawals(): Promise<WithdrawalView[]> {
    const response = await this.request("GET", "/api/user/withdrawals")
    return (await read<WithdrawalView[]>(response, [200, 204])) ?? []
  }

  async balance(): Promise<BalanceView> {
    return read<BalanceView>(await this.request("GET", "/api/user/balance"), [200])
  }
}

async function read<Body>(response: Response, expected: number[]): Promise<Body> {
  const text = await response.text()
  if (!expected.includes(response.status)) {
    throw new UnexpectedAnswerError(`${response.url} answered ${response.status}: ${text}`)
  }
  return (text === "" ? undefined : JSON.parse(text)) as Body
}
