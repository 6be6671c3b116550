import type { Customer } from "@gofermart/local-stack/customer.ts"
import type { ScoringAnswer } from "@gofermart/shared/ledger/settle-accruals.ts"
import { beforeAll, describe, expect, it } from "vitest"
import { processed, settleOne } from "../harness/ledger.ts"
import { withdrawInBulk } from "../harness/history.ts"
import { newNumber, newNumbers } from "../harness/numbers.ts"
import { expectProblem } from "../harness/problem.ts"
import { joinSharedSystem, type SharedSystem } from "../harness/shared-system.ts"

const LISTS = ["/api/user/orders", "/api/user/withdrawals", "/api/user/transactions"]

/** Follows the links of a list from its first page on. */
async function readPages(customer: Customer, path: string): Promise<unknown[][]> {
  const pages: unknown[][] = []
  for (let next: string | undefined = path; next !== undefined;) {
    const response = await customer.request("GET", next)
    if (response.status === 204) return pages
    expect(response.status).toBe(200)
    pages.push((await response.json()) as unknown[])
    next = /^<([^>]+)>; rel="next"$/.exec(response.headers.get("link") ?? "")?.[1]
  }
  return pages
}

describe("lists", () => {
  let system: SharedSystem
  let anna: Customer
  const earn = async (customer: Customer, hundredths: number) => {
    const number = newNumber()
    await customer.upload(number)
    const { id } = await system.database.client.order.findUniqueOrThrow({ where: { number } })
    await settleOne(system.database.client, id, processed(hundredths))
    return number
  }
  beforeAll(async () => {
    system = await joinSharedSystem()
    anna = await system.register()
    for (let i = 1; i <= 7; i++) await earn(anna, i * 1_001)
    for (let i = 1; i <= 5; i++) await anna.withdraw(newNumber(), i / 10)
  })

  it.each(LISTS)("%s comes in pages that make up the whole list", async (path) => {
    const whole = (await (await anna.request("GET", path)).json()) as unknown[]
    const pages = await readPages(anna, `${path}?limit=3`)
    expect(pages.flat()).toEqual(whole)
    expect(pages.slice(0, -1).every((page) => page.length === 3)).toBe(true)
    expect(pages.length).toBe(Math.ceil(whole.length / 3))
  })

  it.each(LISTS)("%s has no link after its last page", async (path) => {
    const whole = (await (await anna.request("GET", path)).json()) as unknown[]
    const exact = await anna.request("GET", `${path}?limit=${whole.length}`)
    expect(exact.headers.get("link")).toBeNull()
    expect(await exact.json()).toEqual(whole)
  })

  it("keeps its place while newer orders come in and an order is uploaded again", async () => {
    const boris = await system.register()
    const numbers = newNumbers(6)
    for (const number of numbers) await boris.upload(number)
    const first = await boris.request("GET", "/api/user/orders?limit=3")
    const [, next = ""] = /<([^>]+)>/.exec(first.headers.get("link") ?? "") ?? []
    const boundary = numbers[3]
    const { id } = await system.database.client.order.findUniqueOrThrow({
      where: { number: boundary ?? "" },
    })
    for (let i = 0; i < 2; i++) {
      await settleOne(system.database.client, id, { kind: "NOT_REGISTERED" }, 0)
    }
    expect(await boris.upload(boundary ?? "")).toBe(202)
    await boris.upload(newNumber())
    const rest = (await (await boris.request("GET", next)).json()) as { number: string }[]
    expect(rest.map(({ number }) => number)).toEqual(numbers.slice(0, 3).toReversed())
  })

  it.each(LISTS)("%s answers 400 to a limit or a cursor that it cannot use", async (path) => {
    for (const query of [
      "limit=0",
      "limit=1001",
      "limit=x",
      "limit=1.5",
      "cursor=%2e",
      "cursor=",
    ]) {
      const response = await anna.request("GET", `${path}?${query}`)
      await expectProblem(response, 400, "malformed_request")
    }
  })

  it.each(LISTS)("%s answers 204 when there is nothing", async (path) => {
    const nobody = await system.register()
    for (const url of [path, `${path}?limit=10`]) {
      const response = await nobody.request("GET", url)
      expect([response.status, await response.text()]).toEqual([204, ""])
    }
  })

  it.each([...LISTS, "/api/user/balance", "/api/user/transactions?limit=2"])(
    "%s answers 304 with its tag until it changes",
    async (path) => {
      const vera = await system.register()
      await earn(vera, 500)
      await vera.withdraw(newNumber(), 1)
      const tagged = await vera.request("GET", path)
      const tag = tagged.headers.get("etag") ?? ""
      expect(tag).toMatch(/^W\/".+"$/)
      const headers = { authorization: vera.authorization, "if-none-match": tag }
      const again = () => fetch(`${system.apiUrl}${path}`, { headers })
      const unchanged = await again()
      expect([unchanged.status, await unchanged.text()]).toEqual([304, ""])
      await earn(vera, 100)
      await vera.withdraw(newNumber(), 1)
      expect((await again()).status).toBe(200)
    },
  )

  it("gives a list of thousands whole, tagged, and says when it is the same", async () => {
    const { client } = system.database
    const olga = await system.register()
    const { id } = await client.user.findUniqueOrThrow({ where: { login: olga.login } })
    const numbers = newNumbers(2_345)
    await client.$queryRaw`
      SELECT count(*) FROM record_orders(
        array_fill(${id}::bigint, ARRAY[2345]), ${numbers}::text[], 1000)`
    const response = await olga.request("GET", "/api/user/orders")
    const listed = (await response.json()) as { number: string }[]
    expect(listed.map(({ number }) => number).toSorted()).toEqual(numbers.toSorted())
    const headers = {
      authorization: olga.authorization,
      "if-none-match": response.headers.get("etag") ?? "",
    }
    const again = () => fetch(`${system.apiUrl}/api/user/orders`, { headers })
    expect((await again()).status).toBe(304)
    await olga.upload(newNumber())
    expect((await again()).status).toBe(200)
    const pages = await readPages(olga, "/api/user/orders?limit=1000")
    expect(pages.map((page) => page.length)).toEqual([1_000, 1_000, 346])
  })

  it("never says that a long list is as it was when it is not", async () => {
    const { client } = system.database
    const petra = await system.register()
    const { id } = await client.user.findUniqueOrThrow({ where: { login: petra.login } })
    const numbers = newNumbers(1_200)
    await client.$queryRaw`
      SELECT count(*) FROM record_orders(
        array_fill(${id}::bigint, ARRAY[1200]), ${numbers}::text[], 1000)`
    const read = (tag = "") =>
      fetch(`${system.apiUrl}/api/user/orders`, {
        headers: { authorization: petra.authorization, "if-none-match": tag },
      })
    const outdated: string[] = []
    for (const number of numbers.slice(0, 40)) {
      const order = await client.order.findUniqueOrThrow({ where: { number } })
      const [response] = await Promise.all([
        read(),
        settleOne(client, order.id, { kind: "INVALID" }),
      ])
      const body = await response.text()
      const again = await read(response.headers.get("etag") ?? "")
      if (again.status === 304 && (await (await read()).text()) !== body) outdated.push(number)
    }
    expect(outdated).toEqual([])
  })

  it("gives no user the tag of another one's long list, however alike they are", async () => {
    const { client } = system.database
    const uploadMany = async () => {
      const customer = await system.register()
      const { id } = await client.user.findUniqueOrThrow({ where: { login: customer.login } })
      await client.$queryRaw`
        SELECT count(*) FROM record_orders(
          array_fill(${id}::bigint, ARRAY[150]), ${newNumbers(150)}::text[], 1000)`
      return customer
    }
    const [nora, olga] = [await uploadMany(), await uploadMany()]
    const read = async ({ authorization }: Customer, tag = "") => {
      const headers = { authorization, "if-none-match": tag }
      return fetch(`${system.apiUrl}/api/user/orders`, { headers })
    }
    const tag = (await read(nora)).headers.get("etag") ?? ""
    expect((await read(nora, tag)).status).toBe(304)
    const others = await read(olga, tag)
    expect(others.status).toBe(200)
    expect(others.headers.get("etag")).not.toBe(tag)
  })

  it("gives a long list another tag with every kind of change, and the same without one", async () => {
    const { client } = system.database
    const nora = await system.register()
    const { id } = await client.user.findUniqueOrThrow({ where: { login: nora.login } })
    const numbers = newNumbers(1_100)
    await client.$queryRaw`
      SELECT count(*) FROM record_orders(
        array_fill(${id}::bigint, ARRAY[1100]), ${numbers}::text[], 1000)`
    const headers = { authorization: nora.authorization }
    const readTag = async () => {
      const response = await fetch(`${system.apiUrl}/api/user/orders`, { method: "HEAD", headers })
      return response.headers.get("etag") ?? ""
    }
    const settle = async (number: string, answer: ScoringAnswer) => {
      const order = await client.order.findUniqueOrThrow({ where: { number } })
      await settleOne(client, order.id, answer, 0)
    }
    const [first = "", second = "", third = ""] = numbers
    const paid = newNumber()
    const changes: (() => Promise<unknown>)[] = [
      () => nora.upload(newNumber()),
      () => settle(first, processed(10_000)),
      () => settle(second, { kind: "INVALID" }),
      async () => {
        await settle(third, { kind: "NOT_REGISTERED" })
        await settle(third, { kind: "NOT_REGISTERED" })
      },
      () => nora.upload(third),
      () => settle(third, processed(0)),
      async () => {
        await nora.withdraw(paid, 1)
        await nora.upload(paid)
      },
      // As many are being polled as before.
      async () => {
        await settle(paid, processed(5))
        await nora.upload(newNumber())
      },
    ]
    const seen = new Set([await readTag()])
    for (const [i, change] of changes.entries()) {
      await change()
      const tag = await readTag()
      expect(seen, `change ${i}`).not.toContain(tag)
      expect(await readTag()).toBe(tag)
      seen.add(tag)
    }
  })

  it("takes several tags and any tag, and tells the formats of a long history apart", async () => {
    const path = `${system.apiUrl}/api/user/balance`
    const { authorization } = anna
    const tag = (await fetch(path, { headers: { authorization } })).headers.get("etag") ?? ""
    for (const condition of [`W/"another", ${tag}`, "*", tag.replace("W/", "")]) {
      const headers = { authorization, "if-none-match": condition }
      expect((await fetch(path, { headers })).status).toBe(304)
    }
    const olga = await system.register()
    await earn(olga, 2_000)
    await withdrawInBulk(system.database.client, olga.login, 1_500)
    const history = `${system.apiUrl}/api/user/transactions`
    const json = await fetch(history, { headers: { authorization: olga.authorization } })
    expect(await json.json()).toHaveLength(1_501)
    const headers = {
      authorization: olga.authorization,
      "if-none-match": json.headers.get("etag") ?? "",
    }
    expect((await fetch(history, { headers })).status).toBe(304)
    const csv = await fetch(history, { headers: { ...headers, accept: "text/csv" } })
    expect(csv.status).toBe(200)
    expect((await csv.text()).split("\r\n")).toHaveLength(1_503)
    const head = await fetch(history, {
      method: "HEAD",
      headers: { authorization: olga.authorization },
    })
    expect([head.status, head.headers.get("etag")]).toEqual([200, json.headers.get("etag")])
  })

  it("tells shared caches that an answer is one user's own", async () => {
    const response = await anna.request("GET", "/api/user/balance")
    expect(response.headers.get("cache-control")).toBe("private, no-cache")
  })

  it("ends the history of a busy account at exactly its balance", async () => {
    const lines = (await (await anna.request("GET", "/api/user/transactions")).json()) as {
      version: number
      type: string
      order: string
      amount: number
      balance: number
    }[]
    const { current, withdrawn } = await anna.balance()
    expect(lines[0]?.balance).toBe(current)
    const sum = (of: typeof lines) => of.reduce((a, { amount }) => a + Math.round(amount * 100), 0)
    expect(sum(lines)).toBe(Math.round(current * 100))
    expect(sum(lines.filter(({ type }) => type === "withdrawal"))).toBe(
      Math.round(withdrawn * -100),
    )
    for (const [i, line] of lines.entries()) {
      const before = lines[i + 1]?.balance ?? 0
      expect(Math.round(line.balance * 100)).toBe(Math.round((before + line.amount) * 100))
      expect(line.version).toBeGreaterThan(lines[i + 1]?.version ?? 0)
    }
  })

  it("gives the history as CSV, in pages as well", async () => {
    const accept = "text/csv; charset=utf-8, application/json;q=0.9"
    const headers = { authorization: anna.authorization, accept }
    const response = await fetch(`${system.apiUrl}/api/user/transactions`, { headers })
    expect(response.headers.get("content-type")).toMatch(/^text\/csv; charset=utf-8/)
    const [names, ...lines] = (await response.text()).split("\r\n")
    expect(names).toBe('"version","type","order","amount","balance","processed_at"')
    expect(lines.at(-1)).toBe("")
    const json = (await (await anna.request("GET", "/api/user/transactions")).json()) as object[]
    const expected = json.map((line) =>
      Object.values(line)
        .map((value) => JSON.stringify(value))
        .join(","),
    )
    expect(lines.slice(0, -1)).toEqual(expected)
    const page = await fetch(`${system.apiUrl}/api/user/transactions?limit=2`, { headers })
    expect((await page.text()).split("\r\n")).toHaveLength(4)
    expect(page.headers.get("link")).toContain('rel="next"')
  })

  it("leaves orders that earned nothing out of the history", async () => {
    const ivan = await system.register()
    const number = newNumber()
    await ivan.upload(number)
    const { id } = await system.database.client.order.findUniqueOrThrow({ where: { number } })
    await settleOne(system.database.client, id, { kind: "INVALID" })
    expect((await ivan.request("GET", "/api/user/transactions")).status).toBe(204)
  })

  it("shows one order to its user alone", async () => {
    const number = await earn(anna, 1_234)
    const path = `/api/user/orders/${number}`
    const listed = (await anna.orders()).find((order) => order.number === number)
    expect(await (await anna.request("GET", path)).json()).toEqual(listed)
    const boris = await system.register()
    await expectProblem(await boris.request("GET", path), 404, "order_not_found")
    const unknown = await anna.request("GET", `/api/user/orders/${newNumber()}`)
    await expectProblem(unknown, 404, "order_not_found")
    const paid = newNumber()
    await anna.withdraw(paid, 0.01)
    await expectProblem(
      await anna.request("GET", `/api/user/orders/${paid}`),
      404,
      "order_not_found",
    )
  })
})
