import { Agent, request } from "node:http"
import { text } from "node:stream/consumers"
import { expect, it, onTestFinished } from "vitest"
import { eventually } from "../harness/eventually.ts"
import { startSystem } from "../harness/system.ts"

interface Answered {
  status: number
  connection: string | undefined
  body: string
}

function get(url: URL, agent: Agent): Promise<Answered> {
  return new Promise((resolve, reject) => {
    const asked = request(url, { agent }, (response) => {
      const { statusCode = 0, headers } = response
      text(response).then(
        (body) => resolve({ status: statusCode, connection: headers.connection, body }),
        reject,
      )
    })
    asked.on("error", reject)
    asked.end()
  })
}

it("an API behind a proxy says that it stops, serves on, refuses connections, and ends those it has", async () => {
  const env = { TRUSTED_PROXIES: "127.0.0.1" }
  const { apiUrl, api } = await startSystem({ backend: "postgresql", workers: 0, env })
  const kept = new Agent({ keepAlive: true, maxSockets: 1 })
  onTestFinished(() => kept.destroy())
  const anew = new Agent({ keepAlive: false })
  const alive = new URL("/healthz", apiUrl)
  const ready = new URL("/readyz", apiUrl)
  await eventually("it is ready", async () => (await get(ready, kept)).status === 200)

  api.kill("SIGTERM")
  const said = await eventually("it says so", async () => {
    const answer = await get(ready, anew)
    return answer.status === 503 && answer
  })
  expect(JSON.parse(said.body)).toEqual({ database: "ok", queue: "ok", stopping: true })
  expect(await get(alive, kept)).toMatchObject({ status: 200, connection: "keep-alive" })

  const refusal = await eventually("it refuses connections", () =>
    get(alive, anew).then(
      () => undefined,
      (error: NodeJS.ErrnoException) => error.code,
    ),
  )
  expect(refusal).toBe("ECONNREFUSED")
  expect(await get(alive, kept)).toMatchObject({ status: 200, connection: "close" })
  expect(await api.exited).toBe(0)
})
