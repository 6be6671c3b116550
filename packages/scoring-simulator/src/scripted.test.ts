import { expect, onTestFinished, test } from "vitest"
import { json, order, type Reply, startScriptedScoring, status, unknown } from "./scripted.ts"

const NUMBER = "2377225624"
const OTHER = "12345678903"

async function start(usual?: Reply) {
  const scoring = await startScriptedScoring(usual)
  onTestFinished(() => scoring.close())
  const poll = (number: string, headers = {}) =>
    fetch(`${scoring.url}/api/orders/${number}`, { headers })
  return { scoring, poll }
}

test("replies come in turn, the last one stays, and polls of each order are counted", async () => {
  const { scoring, poll } = await start()
  scoring.script(NUMBER, unknown, status(503), order("PROCESSED", "1.50"))
  const statuses: number[] = []
  for (let i = 0; i < 4; i++) statuses.push((await poll(NUMBER)).status)
  expect(statuses).toEqual([204, 503, 200, 200])
  const answer = await (await poll(NUMBER, { traceparent: "given" })).text()
  expect(answer).toBe(`{"order":"${NUMBER}","status":"PROCESSED","accrual":1.50}`)
  expect(scoring.polls(NUMBER)).toHaveLength(5)
  expect(scoring.traceparents(NUMBER).slice(3)).toEqual([undefined, "given"])
  expect(scoring.polls(OTHER)).toEqual([])
})

test("an order without a script gets the usual reply", async () => {
  const { poll } = await start(json("<html>"))
  expect(await (await poll(NUMBER)).text()).toBe("<html>")
})

test("or, where there is none, the simulator's answer", async () => {
  const { scoring, poll } = await start()
  const headers = { "content-type": "application/json" }
  const body = JSON.stringify({ order: NUMBER, goods: [] })
  await fetch(`${scoring.url}/api/orders`, { method: "POST", headers, body })
  expect(await (await poll(NUMBER)).json()).toEqual({ order: NUMBER, status: "INVALID" })
  expect((await poll(OTHER)).status).toBe(204)
  expect(scoring.polls(NUMBER)).toHaveLength(1)
})

test("a scripted order is found under any path, and need not be an order number", async () => {
  const { scoring } = await start()
  for (const number of ["letters", "1".repeat(1_000)]) {
    scoring.script(number, (_number, response) => response.end(response.req.url))
    const path = `/first/api/orders/${number}`
    expect(await (await fetch(`${scoring.url}${path}`)).text()).toBe(path)
  }
})

test("close cuts connections on which nothing, or not everything, was answered", async () => {
  const { scoring, poll } = await start()
  scoring.script(NUMBER, () => {})
  scoring.script(OTHER, (_number, response) => response.writeHead(200).flushHeaders())
  // Held as a whole: the body of a Response that nobody holds is cancelled by the garbage collector.
  const unfinished = await poll(OTHER)
  const silent = poll(NUMBER)
  await expect.poll(() => scoring.polls(NUMBER)).toHaveLength(1)
  await Promise.all([
    expect(silent).rejects.toThrow("fetch failed"),
    expect(unfinished.body?.getReader().read()).rejects.toThrow("terminated"),
    scoring.close(),
  ])
})
