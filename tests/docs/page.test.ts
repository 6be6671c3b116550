import { afterAll, beforeAll, describe, expect, inject, it } from "vitest"
import type { Browser, Page } from "puppeteer-core"
import { openBrowser } from "../harness/browser.ts"
import { newLogin } from "../harness/numbers.ts"
import { joinSharedSystem, type SharedSystem } from "../harness/shared-system.ts"

const browserProgram = inject("browser")
const why = "missing" in browserProgram ? ` (${browserProgram.missing})` : ""

describe.skipIf("missing" in browserProgram)(`the page at /docs, in a browser${why}`, () => {
  let system: SharedSystem
  let browser: Browser
  let page: Page
  const asked: string[] = []
  const complaints: string[] = []
  beforeAll(async () => {
    system = await joinSharedSystem()
    browser = await openBrowser("path" in browserProgram ? browserProgram.path : "")
    page = await browser.newPage()
    page.on("request", (request) => asked.push(request.url()))
    page.on("console", (message) => {
      if (message.type() === "error") complaints.push(message.text())
    })
    page.on("pageerror", (error) => complaints.push(String(error)))
    await page.goto(`${system.apiUrl}/docs`)
    await page.waitForSelector(".opblock")
  })
  afterAll(() => browser.close())

  const operations = () =>
    Object.entries(inject("openapi").paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
    )
  /** Opens an operation, fills its body in, sends it, and gives the status it got. */
  const call = async (method: string, path: string, body?: string) => {
    const block = `.opblock-${method}:has([data-path="${path}"])`
    await page.click(`${block} .opblock-summary-control`)
    await page.waitForSelector(`${block} .execute`)
    if (body !== undefined) {
      // It comes after the button, and with an example in it.
      const area = await page.waitForSelector(`${block} .body-param textarea`)
      await area?.evaluate((shown) => shown.select())
      await area?.type(body)
    }
    await page.click(`${block} .execute`)
    const status = await page.waitForSelector(
      `${block} .live-responses-table tbody .response-col_status`,
    )
    return status?.evaluate((cell) => cell.textContent?.trim())
  }

  it("lists every operation", async () => {
    const listed = await page.$$eval(".opblock", (blocks) =>
      blocks.map((block) =>
        [".opblock-summary-method", ".opblock-summary-path"]
          .map((part) => block.querySelector(part)?.textContent?.replaceAll("\u200b", "").trim())
          .join(" "),
      ),
    )
    expect(listed.toSorted()).toEqual(operations().toSorted())
  })

  it("makes calls: registers, and is then known by the cookie", async () => {
    const credentials = JSON.stringify({ login: newLogin(), password: "correct horse" })
    expect(await call("post", "/api/user/register", credentials)).toMatch(/^200/)
    expect(await call("get", "/api/user/balance")).toMatch(/^200/)
  })

  it("is made of files that are compressed already, and that a browser keeps for good", async () => {
    const files = asked.filter((url) => url.startsWith(`${system.apiUrl}/docs/`))
    expect(files.length).toBeGreaterThan(3)
    for (const url of files) {
      for (const encodings of ["gzip, br", "br, zstd, deflate", "identity", "gzip;q=0, *"]) {
        const headers = { "accept-encoding": encodings }
        const response = await fetch(url, { headers })
        expect(response.headers.get("cache-control")).toBe("public, max-age=31536000, immutable")
        expect(response.headers.get("vary")).toBe("accept-encoding")
        const encoding = encodings.startsWith("gzip,") ? "gzip" : null
        expect(response.headers.get("content-encoding")).toBe(encoding)
        // One that is compressed for this answer comes in pieces, of a length that is not known.
        expect(response.headers.get("content-length")).toMatch(/^\d+$/)
      }
    }
  })

  it("loads nothing from elsewhere and breaks no rule of its own policy", async () => {
    const elsewhere = asked.filter(
      (url) => !url.startsWith(system.apiUrl) && !/^(data|blob):/.test(url),
    )
    expect(elsewhere).toEqual([])
    expect(complaints).toEqual([])
  })
})
