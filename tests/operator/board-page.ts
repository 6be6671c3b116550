import type { ElementHandle, Page } from "puppeteer-core"

const POPUP = "[data-open][data-side]"

/** What is on the board about an order's job: the least of it with both its link and its buttons. */
function card(number: string): string {
  return `div:has(> div > a[href="/orders/${number}"])`
}

/** Opens the board's list of failed jobs, once the order's is on it. */
export async function openFailedJobs(page: Page, boardUrl: string, number: string): Promise<void> {
  await page.goto(`${boardUrl}/queue/accrual?status=failed`)
  await page.waitForSelector(card(number))
}

/** The buttons of an order's job by what they say when they are pointed at. */
export async function jobButtons(page: Page, number: string): Promise<Map<string, ElementHandle>> {
  const buttons = new Map<string, ElementHandle>()
  for (const button of await page.$$(`${card(number)} button`)) {
    await page.mouse.move(0, 0)
    await page.waitForSelector(POPUP, { hidden: true })
    await button.hover()
    const popup = await page.waitForSelector(POPUP)
    buttons.set((await popup?.evaluate(({ textContent }) => textContent)) ?? "", button)
  }
  return buttons
}

/** Retries an order's failed job, as an operator does: by its button, and a yes to the question. */
export async function pressRetry(page: Page, number: string): Promise<void> {
  const retry = (await jobButtons(page, number)).get("Retry")
  if (retry === undefined) throw new Error("the job has no button that retries it")
  await retry.click()
  await page
    .locator("[role=alertdialog] ::-p-text(Confirm), [role=dialog] ::-p-text(Confirm)")
    .click()
  await page.waitForSelector(card(number), { hidden: true })
}
