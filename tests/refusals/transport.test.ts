import type { Customer } from "@gofermart/local-stack/customer.ts"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { newNumber } from "../harness/numbers.ts"
import { expectProblem } from "../harness/problem.ts"
import { joinSharedSystem, type SharedSystem } from "../harness/shared-system.ts"
import { type HeaderFields, type RawAnswer, sendRaw } from "./requests.ts"
import { expectRefused, expectStatus, note, printTable } from "./table.ts"

const SLOW_AT_ONCE = 20
const SLOW_TEST_MS = 40_000
/** What the server would do as the second request if it took the first one's body for one. */
const SMUGGLED = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"

describe("what a browser is made to send, and what is hardly HTTP", () => {
  let system: SharedSystem
  let anna: Customer
  beforeAll(async () => {
    system = await joinSharedSystem()
    anna = await system.register()
  })
  afterAll(printTable)

  it("row 15: cross-site form POST with the cookie: 403", async () => {
    const cookie = `gofermart=${anna.authorization.replace("Bearer ", "")}`
    const post = (path: string, type: string, body: string, from: HeaderFields, method = "POST") =>
      fetch(`${system.apiUrl}/api/user/${path}`, {
        method,
        headers: { cookie, "content-type": type, ...from },
        body,
      })
    const sites: Record<string, HeaderFields> = {
      "cross-site": { "sec-fetch-site": "cross-site", origin: "https://evil.example" },
      "same-site": { "sec-fetch-site": "same-site", origin: "https://shop.localhost" },
      "an unknown site": { "sec-fetch-site": "elsewhere" },
      "Origin only": { origin: "https://evil.example" },
      "Origin null": { origin: "null" },
      "Origin on another port": { origin: "http://127.0.0.1:1" },
      "Origin of the other scheme": { origin: system.apiUrl.replace("http:", "https:") },
    }
    const withdrawal = JSON.stringify({ order: newNumber(), sum: 1 })
    const passwords = JSON.stringify({ password: "a", new_password: "another password" })
    for (const [site, from] of Object.entries(sites)) {
      const expectForbidden = async (what: string, response: Response) =>
        expectRefused(15, `${what}: ${site}`, response, 403, "cross_site")
      const number = newNumber()
      await expectForbidden("text/plain", await post("orders", "text/plain", number, from))
      for (const type of ["application/x-www-form-urlencoded", "multipart/form-data"]) {
        await expectForbidden(type, await post("orders", type, number, from))
      }
      const asText = await post("balance/withdraw", "text/plain", withdrawal, from)
      await expectForbidden("withdraw, text/plain", asText)
      const asJson = await post("balance/withdraw", "application/json", withdrawal, from)
      await expectForbidden("withdraw, JSON", asJson)
      const logout = await post("logout?everywhere=true", "text/plain", "", from)
      await expectForbidden("logout", logout)
      const changed = await post("password", "application/json", passwords, from, "PUT")
      await expectForbidden("password", changed)
    }
    expect(await anna.orders()).toEqual([])
    const own = await post("orders", "text/plain", newNumber(), { "sec-fetch-site": "same-origin" })
    expectStatus(15, "text/plain: the own site", own, 202)
  })

  it(
    "row 16: slow headers or body; Content-Length + Transfer-Encoding: closed / 400",
    async () => {
      const start = "POST /api/user/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
      const drops = "X-A: b\r\nX-C: d\r\nX-E: f\r\n"
      const slow = {
        nothing: sendRaw(system.apiUrl, ""),
        "half a request line": sendRaw(system.apiUrl, "GET /hea", "lthz"),
        "headers, a byte a second": sendRaw(system.apiUrl, start, drops),
        "a body, a byte a second": sendRaw(
          system.apiUrl,
          `${start}Content-Length: 100\r\n\r\n{"login"`,
          ': "anna", "password": "12345678"',
        ),
        "a body that does not come": sendRaw(
          system.apiUrl,
          `${start}Transfer-Encoding: chunked\r\n\r\n`,
        ),
      }
      const crowd = Array.from({ length: SLOW_AT_ONCE }, () => sendRaw(system.apiUrl, start, drops))
      const alive = await fetch(`${system.apiUrl}/healthz`)
      expectStatus(16, "/healthz meanwhile", alive, 200)

      const bad = {
        "Content-Length + Transfer-Encoding": "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding + Content-Length": "Transfer-Encoding: chunked\r\nContent-Length: 5",
        "two Content-Lengths": "Content-Length: 5\r\nContent-Length: 0",
        "Content-Length: -5": "Content-Length: -5",
        "Content-Length: +5": "Content-Length: +5",
        "Content-Length: 5, 5": "Content-Length: 5, 5",
        "Transfer-Encoding: xchunked": "Transfer-Encoding: xchunked",
        "Transfer-Encoding: chunked, identity": "Transfer-Encoding: chunked, identity",
        "Transfer-Encoding : chunked": "Transfer-Encoding : chunked",
        "a folded header": "X-A: b\r\n c\r\nContent-Length: 5",
        "a NUL in a header": "X-A: \0\r\nContent-Length: 5",
        "a line feed alone": "X-A: b\nContent-Length: 5",
      }
      for (const [what, headers] of Object.entries(bad)) {
        const answer = await sendRaw(
          system.apiUrl,
          `${start}${headers}\r\n\r\n0\r\n\r\n${SMUGGLED}`,
        )
        await expectRawRefused(16, what, answer, 400, "malformed_request")
      }
      const chunk = `${start}Transfer-Encoding: chunked\r\n\r\nzz\r\n\r\n${SMUGGLED}`
      const ofChunk = await sendRaw(system.apiUrl, chunk)
      await expectRawRefused(16, "a chunk of no length", ofChunk, 400, "malformed_request")

      for (const [what, sent] of Object.entries(slow)) {
        const { response, hungUp, tookMs } = await sent
        const after = `${what}, after ${(tookMs / 1_000).toFixed(0)} s`
        note(16, after, response?.status ?? (hungUp ? "closed" : "still open"))
        expect.soft({ what, hungUp }).toEqual({ what, hungUp: true })
        if (response !== undefined) await expectProblem(response, 408, "request_timeout")
      }
      const hungUp = (await Promise.all(crowd)).filter((answer) => answer.hungUp)
      note(16, `${hungUp.length} of ${SLOW_AT_ONCE} slow ones at once`, "closed")
      expect(hungUp).toHaveLength(SLOW_AT_ONCE)
    },
    SLOW_TEST_MS,
  )

  it("row 16: no HTTP behind a request: never answered before it, nor for it a second time", async () => {
    const upload = "POST /api/user/orders HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\n"
    // It is refused before its last byte comes.
    const refused = `${upload}Transfer-Encoding: chunked\r\n\r\n1\r\n1\r\n0\r\n`
    const ofTrailer = await sendRaw(system.apiUrl, refused, "\u0001")
    await expectRawRefused(
      16,
      "a broken trailer, without a token",
      ofTrailer,
      401,
      "unauthenticated",
    )

    const number = newNumber()
    const accepted = `${upload}Authorization: ${anna.authorization}\r\nContent-Length: ${number.length}\r\n\r\n${number}`
    const { response = Response.error(), answers } = await sendRaw(
      system.apiUrl,
      `${accepted}\u0001\r\n\r\n`,
    )
    expectStatus(16, "noise behind an upload", response, 202)
    expect(answers).toBe(2)
  })

  it("row 17: unknown path, method, TRACE; bad percent-encoding: 404 / 405 / 400", async () => {
    const ask = (line: string) =>
      sendRaw(
        system.apiUrl,
        `${line} HTTP/1.1\r\nHost: x\r\nAuthorization: ${anna.authorization}\r\n` +
          "Connection: close\r\n\r\n",
      )
    const paths = ["/nothing", "/api/user", "/api/user/order", "/api/user/balance/", "//", "/.env"]
    for (const path of [...paths, "/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd"]) {
      await expectRawRefused(17, `GET ${path}`, await ask(`GET ${path}`), 404, "not_found")
    }
    const known = {
      "/api/user/register": ["GET", "PUT", "DELETE", "TRACE"],
      "/api/user/orders": ["PUT", "PATCH", "DELETE", "TRACE", "OPTIONS", "PROPFIND", "QUERY"],
      "/api/user/balance": ["POST", "DELETE", "TRACE"],
      "/healthz": ["POST", "TRACE"],
    }
    for (const [path, methods] of Object.entries(known)) {
      for (const method of methods) {
        const answer = await ask(`${method} ${path}`)
        await expectRawRefused(17, `${method} ${path}`, answer, 405, "method_not_allowed")
        expect(answer.response?.headers.get("allow")).toMatch(/GET|POST/)
      }
    }
    const broken = "Content-Type: application/json\r\nContent-Length: 1\r\n\r\n{"
    for (const method of ["PUT", "DELETE", "OPTIONS", "QUERY"]) {
      const line = `${method} /api/user/orders HTTP/1.1\r\nHost: x\r\nConnection: close\r\n`
      const answer = await sendRaw(system.apiUrl, `${line}${broken}`)
      await expectRawRefused(17, `${method}, no JSON`, answer, 405, "method_not_allowed")
    }
    await expectRawRefused(17, "TRACE /nothing", await ask("TRACE /nothing"), 404, "not_found")
    for (const method of ["BREW", "get", "G\0T"]) {
      const answer = await ask(`${method} /healthz`)
      await expectRawRefused(17, JSON.stringify(method), answer, 400, "malformed_request")
    }
    const encodings = ["/%zz", "/%", "/%c0%ae", "/api/user/orders/%e2%82", "/api/user/orders/%f"]
    for (const path of [...encodings, "/api/user/orders?limit=%zz"]) {
      await expectRawRefused(17, `GET ${path}`, await ask(`GET ${path}`), 400, "malformed_request")
    }
    const nul = await ask("GET /api/user/orders/%00")
    await expectRawRefused(17, "GET /api/user/orders/%00", nul, 404, "order_not_found")
    const tunnel = await ask("CONNECT example.com:443")
    await expectRawRefused(17, "CONNECT", tunnel, 400, "malformed_request")
  })

  it("row 26: what Node would refuse, or take, by itself: a problem like any other", async () => {
    const before = await anna.orders()
    const start = "POST /api/user/orders HTTP/1.1"
    const ask = (lines: string[], body = "", first = start) => {
      const head = [first, "Connection: close", `Authorization: ${anna.authorization}`, ...lines]
      return sendRaw(system.apiUrl, `${head.join("\r\n")}\r\n\r\n${body}`)
    }
    const text = ["Content-Type: text/plain", "Content-Length: 2"]
    for (const expectation of ["foo", "foo, bar", "100-continued"]) {
      const answer = await ask(["Host: x", `Expect: ${expectation}`, ...text], "18")
      await expectRawRefused(26, `Expect: ${expectation}`, answer, 417, "expectation_failed")
    }
    for (const address of ["GET /nothing", "GET /healthz"]) {
      const answer = await ask(["Host: x", "Expect: foo"], "", `${address} HTTP/1.1`)
      await expectRawRefused(26, `Expect: foo, ${address}`, answer, 417, "expectation_failed")
    }
    const others = ["100-continue, foo", "foo,100-continue"].map((item) => [`Expect: ${item}`])
    const twice = ["Expect: 100-continue", "Expect: 100-continue"]
    for (const lines of [...others, twice, ["Expect: 100-continue", "Expect: foo"]]) {
      const { response = Response.error(), answers } = await ask(
        ["Host: x", ...lines, ...text],
        "18",
      )
      expectStatus(26, lines.join(", "), response, lines.length === 1 ? 417 : 400)
      expect.soft({ lines, answers }).toEqual({ lines, answers: 1 })
      expect.soft(response.headers.get("connection")).toBe("close")
    }
    for (const expectation of ["100-continue", "100-Continue", "100-continue, 100-continue"]) {
      const lines = ["Host: x", `Expect: ${expectation}`, ...text]
      const { response = Response.error(), answers } = await ask(lines, "xx")
      expectStatus(26, `Expect: ${expectation}, no number`, response, 422)
      expect.soft({ expectation, answers }).toEqual({ expectation, answers: 2 })
    }
    const none = await ask(text, "18")
    await expectRawRefused(26, "no Host", none, 400, "malformed_request")
    const hosts = ["x, x", "x,y", "x y", "x/y", "user@x", "http://x", "x:80:80", "x:port", "[::1"]
    for (const host of [...hosts, "é"]) {
      const answer = await ask([`Host: ${host}`, ...text], "18")
      await expectRawRefused(26, `Host: ${host}`, answer, 400, "malformed_request")
    }
    for (const host of ["", "x", "x_1.example:8080", "127.0.0.1:1", "[::1]:80", "x:", "xn--e1a"]) {
      const { response } = await ask([`Host: ${host}`], "", "GET /healthz HTTP/1.1")
      expectStatus(26, `Host: ${host}`, response ?? Response.error(), 200)
    }
    for (const target of ["/api/user/balance#x", "/api/user/orders?limit=1#x", "/nothing#"]) {
      const answer = await ask(["Host: x"], "", `GET ${target} HTTP/1.1`)
      expect.soft(await answer.response?.clone().text()).toContain("must have no fragment")
      await expectRawRefused(26, `GET ${target}`, answer, 400, "malformed_request")
    }
    const old = await ask(["Expect: foo"], "", "GET /healthz HTTP/1.0")
    expectStatus(26, "neither counts in HTTP/1.0", old.response ?? Response.error(), 200)
    for (const coding of ["gzip, chunked", "identity, chunked", "deflate,chunked"]) {
      const lines = ["Host: x", text[0] ?? "", `Transfer-Encoding: ${coding}`]
      const answer = await ask(lines, "2\r\n18\r\n0\r\n\r\n")
      await expectRawRefused(26, `Transfer-Encoding: ${coding}`, answer, 400, "malformed_request")
    }
    for (const coding of ["chunked", "Chunked"]) {
      const lines = ["Host: x", text[0] ?? "", `Transfer-Encoding: ${coding}`]
      const answer = await ask(lines, "2\r\nxx\r\n0\r\n\r\n")
      await expectRawRefused(26, `${coding}, no number`, answer, 422, "invalid_order_number")
    }
    expect(await anna.orders()).toEqual(before)
  })
})

/** As `expectRefused`; nothing after the refused request was answered. */
async function expectRawRefused(
  row: number,
  what: string,
  { response, answers }: RawAnswer,
  status: number,
  code: string,
): Promise<void> {
  if (response === undefined) {
    note(row, what, "closed")
    expect.soft({ what, status: "closed" }).toEqual({ what, status })
    return
  }
  await expectRefused(row, what, response, status, code)
  expect.soft({ what, answers }).toEqual({ what, answers: 1 })
}
