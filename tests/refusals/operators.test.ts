import { networkInterfaces } from "node:os"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { startSystem, type System } from "../harness/system.ts"
import { type HeaderFields, sendRaw } from "./requests.ts"
import { expectRefused, expectStatus, note, printTable } from "./table.ts"

const PASSWORD = "an operator's password"
const EVIL = "http://evil.example"

const basic = (login: string, password: string) => ({
  authorization: `Basic ${Buffer.from(`${login}:${password}`).toString("base64")}`,
})

describe("what is for operators only", () => {
  let system: System
  /** Its operators have a password. */
  let guardedUrl: string
  beforeAll(async () => {
    system = await startSystem({ backend: "postgresql", workers: 0 })
    const guarded = await system.addApi({ OPERATORS_PASSWORD: PASSWORD })
    guardedUrl = guarded.details["operatorsUrl"] ?? ""
  })
  afterAll(async () => {
    printTable()
    await system.close()
  })

  it("row 18: board, metrics from a public address or without credentials", async () => {
    const anna = await system.register()
    const paths = ["/", "/api/queues", "/queue/accrual", "/static/js/index.js", "/ui", "/metrics"]
    for (const path of [...paths, "/admin", "/board", "/admin/queues", "/debug/pprof"]) {
      const response = await fetch(`${system.apiUrl}${path}`)
      await expectRefused(18, `customers' listener: ${path}`, response, 404, "not_found")
      const { status } = await anna.request("GET", path)
      expect(status).toBe(404)
    }

    const wrong: Record<string, HeaderFields> = {
      "no credentials": {},
      "a wrong password": basic("operator", "a wrong password"),
      "a part of the password": basic("operator", PASSWORD.slice(0, -1)),
      "an empty password": basic("operator", ""),
      "another login": basic("root", PASSWORD),
      "a customer's token": { authorization: anna.authorization },
      "half of Basic": { authorization: "Basic" },
      "Basic of rubbish": { authorization: "Basic %%%" },
    }
    for (const [what, headers] of Object.entries(wrong)) {
      for (const path of ["/", "/api/queues", "/static/js/index.js", "/metrics", "/nothing"]) {
        const response = await fetch(`${guardedUrl}${path}`, { headers })
        expectStatus(18, `${what}: ${path}`, response, 401)
        expect(await response.text()).not.toMatch(/accrual|<html/i)
      }
      const pause = await fetch(`${guardedUrl}/api/queues/accrual/pause`, {
        method: "PUT",
        headers,
      })
      expectStatus(18, `${what}: pause`, pause, 401)
    }
    const right = { headers: basic("operator", PASSWORD) }
    expectStatus(18, "the right ones", await fetch(`${guardedUrl}/api/queues`, right), 200)

    await expectOnLoopbackOnly()
    await expectNoStart()
  })

  /** Neither listener of the defaults answers on an address that others can reach. */
  const expectOnLoopbackOnly = async () => {
    const outside = Object.values(networkInterfaces())
      .flatMap((addresses = []) => addresses)
      .find(({ internal, family }) => !internal && family === "IPv4")
    if (outside === undefined) {
      note(18, "operators' listener by a public address", "there is none here")
      return
    }
    for (const operatorsUrl of [system.operatorsUrl, guardedUrl]) {
      const { port } = new URL(operatorsUrl)
      const reached = await fetch(`http://${outside.address}:${port}/`).then(
        ({ status }) => status,
        (error: Error) => (error.cause as { code?: string }).code,
      )
      note(18, "operators' listener by a public address", reached ?? "unreachable")
      expect(reached).toBe("ECONNREFUSED")
    }
  }

  const expectNoStart = async () => {
    for (const address of ["0.0.0.0:0", ":0", "[::]:0", "192.0.2.1:0", "example.org:0"]) {
      const started = await system.addApi({ OPERATORS_ADDRESS: address }).then(
        () => "started",
        ({ message }: Error) => /ended with (\d+)/.exec(message)?.[1] ?? message,
      )
      note(18, `OPERATORS_ADDRESS=${address} without a password`, `exit ${started}`)
      expect.soft({ address, started }).toEqual({ address, started: "78" })
    }
    expect(await system.logs()).toContain("OPERATORS_PASSWORD must be set")
  }

  it("row 19: board action posted from another site: refused", async () => {
    const isPaused = async () => {
      const response = await fetch(`${system.operatorsUrl}/api/queues`)
      const { queues } = (await response.json()) as { queues: { isPaused: boolean }[] }
      return queues[0]?.isPaused
    }
    const actions = {
      pause: ["PUT", "/api/queues/accrual/pause"],
      resume: ["PUT", "/api/queues/accrual/resume"],
      empty: ["PUT", "/api/queues/accrual/empty"],
      "retry all": ["PUT", "/api/queues/accrual/retry/failed"],
      "clean all": ["PUT", "/api/queues/accrual/clean/completed"],
      "promote all": ["PUT", "/api/queues/accrual/promote"],
      "add a job": ["POST", "/api/queues/accrual/add"],
      "retry a job": ["PUT", "/api/queues/accrual/1/retry/failed"],
      "remove a job": ["PUT", "/api/queues/accrual/1/clean"],
    }
    const sites: Record<string, HeaderFields> = {
      "cross-site": { "sec-fetch-site": "cross-site" },
      "same-site": { "sec-fetch-site": "same-site" },
      "Origin only": { origin: EVIL },
      "Origin null": { origin: "null" },
      "a form": { origin: EVIL, "content-type": "text/plain" },
    }
    for (const [what, [method = "", path = ""]] of Object.entries(actions)) {
      for (const [site, headers] of Object.entries(sites)) {
        const options = { method, headers, ...(site === "a form" ? { body: "a=b" } : {}) }
        const response = await fetch(`${system.operatorsUrl}${path}`, options)
        expectStatus(19, `${what}, ${site}`, response, 403)
      }
      const url = `${guardedUrl}${path}`
      const headers = { origin: EVIL, ...basic("operator", PASSWORD) }
      const withPassword = await fetch(url, { method, headers })
      expectStatus(19, `${what}, with the browser's credentials`, withPassword, 403)
      // To a browser, a page whose name was made to point here is of the same site.
      const rebound = `${method} ${path} HTTP/1.1\r\nHost: evil.example\r\nOrigin: ${EVIL}\r\n`
      const { response } = await sendRaw(
        system.operatorsUrl,
        `${rebound}Sec-Fetch-Site: same-origin\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`,
      )
      if (response === undefined) throw new Error("there was no answer")
      expectStatus(19, `${what}, by DNS rebinding`, response, 403)
    }
    expect(await isPaused()).toBe(false)

    const pause = await fetch(`${system.operatorsUrl}/api/queues/accrual/pause`, { method: "PUT" })
    expectStatus(19, "pause, by an operator", pause, 200)
    expect(await isPaused()).toBe(true)
  })
})
