import { isDeepStrictEqual } from "node:util"
import type { Pages } from "./known.ts"
import { PASSWORD, type Person } from "./people.ts"

/** Whatever a customer reads of their own, which nobody else may change. */
const READS = ["balance", "orders", "withdrawals", "transactions", "orders?limit=2"]

/** What a customer is answered, to be compared with a later time. */
export async function lookAt(apiUrl: string, { token, numbers }: Person): Promise<unknown> {
  const headers = { authorization: `Bearer ${token}` }
  const paths = [...READS, ...numbers.slice(0, 2).map((number) => `orders/${number}`)]
  return Promise.all(
    paths.map(async (path) => {
      const response = await fetch(`${apiUrl}/api/user/${path}`, { headers })
      return [path, response.status, response.headers.get("etag"), await response.text()]
    }),
  )
}

/** Says what a customer who has done nothing meanwhile finds changed, or cannot do any more. */
export async function changesFor(
  apiUrl: string,
  person: Person,
  before: unknown,
  newNumber: string,
): Promise<string[]> {
  const after = await lookAt(apiUrl, person)
  const headers = { authorization: `Bearer ${person.token}` }
  const send = async (path: string, type: string, body: string) => {
    const { status } = await fetch(`${apiUrl}/api/user/${path}`, {
      method: "POST",
      headers: { ...headers, "content-type": type },
      body,
    })
    return status
  }
  const credentials = JSON.stringify({ login: person.login, password: PASSWORD })
  const withdrawal = JSON.stringify({ order: newNumber, sum: 0.01 })
  const statuses = {
    login: await send("login", "application/json", credentials),
    upload: await send("orders", "text/plain", newNumber),
    withdrawal: await send("balance/withdraw", "application/json", withdrawal),
  }
  return [
    ...(isDeepStrictEqual(after, before) ? [] : ["another user reads something else than before"]),
    ...(isDeepStrictEqual(statuses, { login: 200, upload: 202, withdrawal: 200 })
      ? []
      : [`another user's requests are answered with ${JSON.stringify(statuses)}`]),
  ]
}

/** The cursors that the API gives a customer with its lists. */
export async function pagesOf(apiUrl: string, { token }: Person): Promise<Pages> {
  const cursorOf = async (list: string) => {
    const headers = { authorization: `Bearer ${token}` }
    const response = await fetch(`${apiUrl}/api/user/${list}?limit=1`, { headers })
    return /cursor=([^>&]+)/.exec(response.headers.get("link") ?? "")?.[1] ?? ""
  }
  const [orders, withdrawals, transactions] = await Promise.all([
    cursorOf("orders"),
    cursorOf("withdrawals"),
    cursorOf("transactions"),
  ])
  return { orders, withdrawals, transactions }
}
