import { execFile } from "node:child_process"
import { readdir, readFile, writeFile } from "node:fs/promises"
import { delimiter, join } from "node:path"
import { promisify } from "node:util"
import type { Browser, Page } from "puppeteer-core"
import { rolldown } from "rolldown"
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest"
import type { OrderNumber } from "@gofermart/shared/domain/order-number.ts"
import { openBrowser } from "../harness/browser.ts"
import { newLogin, newNumber } from "../harness/numbers.ts"
import { joinSharedSystem, type SharedSystem } from "../harness/shared-system.ts"
import { installPackedClient } from "./consumer.ts"
import { settleUpload } from "./settle-upload.ts"

const run = promisify(execFile)
const repository = join(import.meta.dirname, "../..")
const readme = await readFile(join(repository, "packages/client/README.md"), "utf8")
const NODE_MAJOR_MIN = 20
const POLL = { timeout: 30_000 }
const node = await findNode()
const browserProgram = inject("browser")
const why = "missing" in browserProgram ? ` (${browserProgram.missing})` : ""

/** The first Node.js on the PATH that is not the repository's, if it is new enough; or the one here. */
async function findNode(): Promise<{ path: string; version: string }> {
  const folders = (process.env["PATH"] ?? "").split(delimiter)
  for (const folder of folders.filter((one) => !one.includes("node_modules"))) {
    const path = join(folder, "node")
    const found = await run(path, ["--version"]).catch(() => undefined)
    const version = found?.stdout.trim() ?? ""
    if (Number.parseInt(version.slice(1), 10) >= NODE_MAJOR_MIN) return { path, version }
  }
  return { path: process.execPath, version: process.version }
}

describe("the client's package, in an empty project", () => {
  let system: SharedSystem
  let folder: string
  beforeAll(async () => {
    system = await joinSharedSystem()
    folder = await installPackedClient()
  })

  /** The README's code, as it is there. */
  const examples = [...readme.matchAll(/^```ts\n(.*?)^```$/gms)].map(([, code = ""]) => code)
  /** Its first example with the API of this test, a new customer and a new order. */
  const example = (number: OrderNumber) => {
    const own = { "http://127.0.0.1:8080": system.apiUrl, anna: newLogin(), "79927398713": number }
    let code = examples[0] ?? ""
    for (const [written, instead] of Object.entries(own)) {
      expect(code).toContain(`"${written}"`)
      code = code.replace(`"${written}"`, `"${instead}"`)
    }
    return code
  }
  const printed = ["PROCESSED 729.98", "729.98 0", "1 order 729.98"]

  it("has nothing that needs this repository or a compiler", async () => {
    const installed = join(folder, "node_modules/@gofermart/client")
    const files = await readdir(installed, { recursive: true, withFileTypes: true })
    const names = files.filter((file) => file.isFile()).map(({ name }) => name)
    expect(names).toEqual(expect.arrayContaining(["package.json", "README.md", "LICENSE"]))
    expect(names.filter((name) => /(?<!\.d)\.ts$/.test(name))).toEqual([])
  })

  it(`registers, uploads and waits, and follows the account, on Node.js ${node.version}`, async () => {
    const number = newNumber()
    await writeFile(join(folder, "example.js"), example(number))
    const running = run(node.path, ["example.js"], { cwd: folder, env: {} })
    const [{ stdout, stderr }] = await Promise.all([
      running,
      settleUpload(system.database, number, 729_98),
    ])
    expect(stdout.trim().split("\n")).toEqual(printed)
    expect(stderr).toBe("")
  })

  it("has types that a strict project compiles with", async () => {
    const mistake = `import { createGofermartClient } from "@gofermart/client"
      const client = createGofermartClient("http://127.0.0.1:8080")
      // @ts-expect-error There is no such path.
      await client.GET("/api/user/orders/all")
      const { error } = await client.GET("/api/user/balance")
      // @ts-expect-error It needs no points.
      if (error?.code === "not_enough_points") throw error`
    const files = [...examples, mistake].map((code, i) => [`example-${i}.ts`, code] as const)
    for (const [name, code] of files) await writeFile(join(folder, name), code)
    const tsc = join(repository, "node_modules/.bin/tsc")
    const options = ["--noEmit", "--strict", "--module", "nodenext", "--target", "es2022"]
    const names = files.map(([name]) => name)
    const compiled = await run(tsc, [...options, ...names], { cwd: folder }).catch(
      ({ stdout }: { stdout: string }) => ({ stdout }),
    )
    expect(compiled.stdout).toBe("")
  })

  describe.skipIf("missing" in browserProgram)(`bundled for a browser${why}`, () => {
    const knownByCookie = `import { createGofermartClient } from "@gofermart/client"
      const { data } = await createGofermartClient("").GET("/api/user/balance")
      console.log(data?.current)`
    let browser: Browser
    beforeAll(async () => {
      browser = await openBrowser("path" in browserProgram ? browserProgram.path : "")
    })
    afterAll(() => browser.close())

    const bundle = async (name: string, code: string) => {
      const input = join(folder, name)
      await writeFile(input, code)
      const build = await rolldown({ input, platform: "browser" })
      const { output } = await build.generate({ format: "esm" })
      await build.close()
      return output[0].code
    }
    /** Has these scripts, and a page for each, come from the API's own origin. */
    const serve = async (page: Page, scripts: Record<string, string>) => {
      await page.setRequestInterception(true)
      page.on("request", (request) => {
        const { pathname } = new URL(request.url())
        const [, name = "", extension] = /^\/(\w+)\.(js|html)$/.exec(pathname) ?? []
        // Without an icon the browser asks for one.
        const html = `<!doctype html><link rel="icon" href="data:,">
          <script type="module" src="/${name}.js"></script>`
        if (!(name in scripts)) void request.continue()
        else if (extension === "html")
          void request.respond({ contentType: "text/html", body: html })
        else void request.respond({ contentType: "text/javascript", body: scripts[name] ?? "" })
      })
    }

    it("does the same there, and is then known by the cookie", async () => {
      const page = await browser.newPage()
      const lines: string[] = []
      page.on("console", (message) => lines.push(message.text()))
      page.on("pageerror", (error) => lines.push(String(error)))
      const number = newNumber()
      await serve(page, {
        example: await bundle("example.js", example(number)),
        cookie: await bundle("cookie.js", knownByCookie),
      })
      await page.goto(`${system.apiUrl}/example.html`)
      await settleUpload(system.database, number, 729_98)
      await expect.poll(() => lines, POLL).toEqual(printed)
      await page.goto(`${system.apiUrl}/cookie.html`)
      await expect.poll(() => lines, POLL).toEqual([...printed, "729.98"])
    })
  })
})
