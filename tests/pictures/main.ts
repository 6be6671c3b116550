/** Takes the pictures of the documentation, of a system that it starts for that. */

import { mkdir } from "node:fs/promises"
import { fileURLToPath } from "node:url"
import type { Page } from "puppeteer-core"
import { findBrowser, openBrowser } from "../harness/browser.ts"
import { buildFixture } from "./fixture.ts"

const folder = fileURLToPath(new URL("../../docs/pictures/", import.meta.url))
/** As wide as the board's list of states. */
const WIDTH = 1_440

const found = await findBrowser()
if ("missing" in found) throw new Error(found.missing)
await mkdir(folder, { recursive: true })
const fixture = await buildFixture()
try {
  const browser = await openBrowser(found.path)
  try {
    const { apiUrl, operatorsUrl, failed } = fixture
    const page = await browser.newPage()
    const jobs = `${operatorsUrl}/queue/accrual`
    const job = `a[href^="/orders/"]`
    await take(page, "board-overview", operatorsUrl, "::-p-text(6 Jobs)", WIDTH, 280)
    await take(page, "board-waiting", `${jobs}?status=delayed`, job, WIDTH, 800)
    await take(page, "board-failed-job", `${jobs}?status=failed`, job, WIDTH, 600)
    await take(page, "order-page", `${operatorsUrl}/orders/${failed}`, "pre", 720, 160)
    await take(page, "api-docs", `${apiUrl}/docs`, ".opblock", 1_280, 800)
  } finally {
    await browser.close()
  }
} finally {
  await fixture.close()
}

/** Takes a picture of what is at the address, once `shown` is there. */
async function take(
  page: Page,
  name: string,
  url: string,
  shown: string,
  width: number,
  height: number,
): Promise<void> {
  await page.setViewport({ width, height })
  await page.goto(url, { waitUntil: "networkidle2" })
  await page.waitForSelector(shown)
  await page.screenshot({ path: `${folder}${name}.png` })
  process.stdout.write(`docs/pictures/${name}.png\n`)
}
