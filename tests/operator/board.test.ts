import type { Customer } from "@gofermart/local-stack/customer.ts"
import { openAccrualQueue } from "@gofermart/shared/queue/backend.ts"
import type { AccrualQueue } from "@gofermart/shared/queue/poll-job.ts"
import { createLogger } from "@gofermart/shared/runtime/logger.ts"
import type { Browser, Page } from "puppeteer-core"
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest"
import { describeOnBackends } from "../harness/backends.ts"
import { openBrowser } from "../harness/browser.ts"
import { eventually } from "../harness/eventually.ts"
import { newNumber } from "../harness/numbers.ts"
import { expectAllSettledOnce } from "../harness/invariants.ts"
import {
  json,
  order,
  type Reply,
  type ScriptedScoring,
  startScriptedScoring,
  status,
} from "@gofermart/scoring-simulator/scripted.ts"
import { startSystem, type System } from "../harness/system.ts"
import { jobButtons, openFailedJobs, pressRetry } from "./board-page.ts"

/** Longer than an order is polled in vain before its job fails. */
const DAY_MS = 86_400_000
const PASSWORD = "an operator's password"

const browserProgram = inject("browser")
const hasNoBrowser = "missing" in browserProgram

const basic = (login: string, password: string) => ({
  authorization: `Basic ${Buffer.from(`${login}:${password}`).toString("base64")}`,
})

/** One of the board's own requests. */
function act(boardUrl: string, method: string, path: string, body?: object): Promise<Response> {
  return fetch(`${boardUrl}/api/queues${path}`, {
    method,
    ...(body === undefined
      ? {}
      : { headers: { "content-type": "application/json" }, body: JSON.stringify(body) }),
  })
}

describeOnBackends("the operators' board", (backend) => {
  let scoring: ScriptedScoring
  let system: System
  let queue: AccrualQueue
  let board: string
  let browser: Browser | undefined
  beforeAll(async () => {
    scoring = await startScriptedScoring()
    system = await startSystem({ backend, scoringUrl: scoring.url })
    board = system.operatorsUrl
    queue = await openAccrualQueue(system.queueUrl, createLogger("tests", "silent"))
    if ("path" in browserProgram) browser = await openBrowser(browserProgram.path)
  })
  afterAll(async () => {
    await browser?.close()
    await queue.close()
    await system.close()
    await scoring.close()
  })

  const newPage = async (): Promise<Page> => {
    if (browser === undefined) throw new Error("there is no browser")
    return browser.newPage()
  }
  const jobOf = (number: string) => queue.getJob(`order-${number}`)
  const uploaded = async (...replies: Reply[]) => {
    const anna = await system.register()
    const number = newNumber()
    scoring.script(number, ...replies)
    expect(await anna.upload(number)).toBe(202)
    return { anna, number }
  }
  const failed = async (): Promise<{ anna: Customer; number: string }> => {
    const { anna, number } = await uploaded(json("<maintenance>"))
    const job = await eventually("it is put off", async () => {
      const found = await jobOf(number)
      return found !== undefined && (await found.isDelayed()) ? found : undefined
    })
    await job.updateData({ number, polls: 5, brokenSince: Date.now() - DAY_MS })
    await eventually("the job fails", () => job.isFailed())
    return { anna, number }
  }

  it.skipIf(hasNoBrowser)(
    "tells of a failed job whose order it is and why; Retry settles it",
    async () => {
      const { anna, number } = await failed()
      const page = await newPage()
      await openFailedJobs(page, board, number)
      const shown = await page.$eval("main", ({ innerText }) => innerText.replaceAll(/\s+/g, " "))
      expect(shown).toContain(`order ${number}`)
      expect(shown).toContain(`user:"${anna.login}"`)
      expect(shown).toContain("No answer could be used for 24 h. The last: the body is not a JSON")

      scoring.script(number, order("PROCESSED", "7"))
      await pressRetry(page, number)
      await expectAllSettledOnce(system, [number])
      expect(await anna.balance()).toEqual({ current: 7, withdrawn: 0 })
      await eventually("the job is gone", async () => (await jobOf(number)) === undefined)
      await page.close()
    },
  )

  it("gives a job back as it showed it, edited: the worker takes it", async () => {
    const { anna, number } = await uploaded(json("<maintenance>"))
    const path = `/accrual/order-${number}`
    const shown = await eventually("it is put off", async () => {
      const { job } = (await (await act(board, "GET", path)).json()) as {
        job?: { data: Record<string, unknown> }
      }
      return job?.data["due"] === undefined ? undefined : job.data
    })
    expect(shown).toMatchObject({
      user: anna.login,
      number,
      unusableSince: new Date(Number(shown["brokenSince"])).toISOString(),
      due: new Date(Number(shown["dueAt"])).toISOString(),
      lastAnswer: expect.stringContaining("not a JSON object"),
    })
    await act(board, "PUT", "/accrual/pause")
    const edited = { ...shown, polls: 40 }
    expect((await act(board, "PATCH", `${path}/update-data`, { jobData: edited })).status).toBe(200)
    await act(board, "PUT", "/accrual/resume")
    // From 40 polls on it waits half a minute at least: it was the edited job that was polled.
    await eventually("it was polled", async () => (await jobOf(number))?.data.polls === 41)
    expect(await system.logs()).not.toContain("dropped a job")
    scoring.script(number, order("PROCESSED", "3"))
    expect((await act(board, "PUT", `${path}/promote`)).status).toBe(204)
    await expectAllSettledOnce(system, [number])
  })

  it.each<[string, (number: string) => Promise<Response>]>([
    ["empty", () => act(board, "PUT", "/accrual/empty")],
    ["obliterate", () => act(board, "PUT", "/accrual/obliterate", { force: true })],
    ["clean", (number) => act(board, "PUT", `/accrual/order-${number}/clean`)],
    [
      "update data, with rubbish",
      (number) =>
        act(board, "PATCH", `/accrual/order-${number}/update-data`, { jobData: { number: "x" } }),
    ],
  ])("loses no order by %s", async (action, perform) => {
    expect((await act(board, "PUT", "/accrual/pause")).status).toBe(200)
    const { number } = await uploaded(order("PROCESSED", "2"))
    await eventually("its job is in the queue", () => jobOf(number))
    expect((await perform(number)).ok).toBe(true)
    if (!action.startsWith("update")) expect(await jobOf(number)).toBeUndefined()
    await act(board, "PUT", "/accrual/resume")
    await expectAllSettledOnce(system, [number])
  })

  it("credits an order once whose job is duplicated", async () => {
    await act(board, "PUT", "/accrual/pause")
    const { anna, number } = await uploaded(order("PROCESSED", "2"))
    const path = `/accrual/order-${number}`
    await eventually("its job is in the queue", () => jobOf(number))
    const { job } = (await (await act(board, "GET", path)).json()) as {
      job: { name: string; data: object }
    }
    for (let i = 0; i < 5; i++) {
      const added = await act(board, "POST", "/accrual/add", { ...job, options: {} })
      expect(added.status).toBe(200)
    }
    await act(board, "PUT", "/accrual/resume")
    await expectAllSettledOnce(system, [number])
    await eventually("all have been polled", async () => scoring.polls(number).length === 6)
    expect(await anna.balance()).toEqual({ current: 2, withdrawn: 0 })
  })

  it("still shows the jobs when one was added that is none of the system's", async () => {
    await act(board, "PUT", "/accrual/pause")
    const { anna, number } = await uploaded(order("PROCESSED", "2"))
    const rubbish = [{}, "text", 7, [], { number: 1 }, { number, polls: 0, dueAt: 8.64e15 + 1 }]
    for (const data of rubbish) {
      const added = await act(board, "POST", "/accrual/add", { name: "x", data, options: {} })
      expect(added.status).toBe(200)
    }
    const listed = await act(board, "GET", "?activeQueue=accrual&status=waiting")
    expect(listed.status).toBe(200)
    expect(await listed.text()).toContain(anna.login)
    await act(board, "PUT", "/accrual/resume")
    await expectAllSettledOnce(system, [number])
    await eventually("they are dropped", async () => (await queue.getWaitingCount()) === 0)
  })

  // What the pages show, and to whom, does not depend on the queue.
  if (backend !== "postgresql") return

  it("is on a listener of its own", async () => {
    expect(await (await fetch(board)).text()).toContain("Gofermart")
    expect((await fetch(`${system.apiUrl}/api/queues`)).status).toBe(404)
    const worker = await fetch(`${system.workers[0]?.details["operatorsUrl"]}/metrics`)
    expect(worker.headers.get("content-security-policy")).toMatch(/frame-ancestors 'none'$/)
  })

  it.skipIf(hasNoBrowser)("leads from a job to its order's page", async () => {
    const { anna, number } = await failed()
    const page = await newPage()
    await openFailedJobs(page, board, number)
    const opened = new Promise<Page | null>((resolve) => page.once("popup", resolve))
    await page.click(`a[href="/orders/${number}"]`)
    const orderPage = await opened
    await orderPage?.waitForSelector("pre")
    expect(orderPage?.url()).toBe(`${board}/orders/${number}`)
    const told = await orderPage?.$eval("pre", ({ innerText }) => innerText)
    expect(told).toContain(`order        ${number}`)
    expect(told).toContain(`user         ${anna.login}`)
    expect(told).toMatch(/^status       PROCESSING, since 20/m)
    expect(told).toContain(`job          order-${number}: failed, 5 polls without a final answer`)
    expect(told).toMatch(/^failed       No answer could be used for 24 h\. The last: /m)
    await page.close()
    await orderPage?.close()
  })

  it("shows the page of an order, and of none says which it is", async () => {
    const tell = async (number: string) => {
      const response = await fetch(`${board}/orders/${number}`)
      return { status: response.status, said: await response.text() }
    }
    const { number } = await uploaded(status(503))
    await eventually("the last answer is on it", async () =>
      /^last answer  .*503/m.test((await tell(number)).said),
    )
    const none = newNumber()
    expect(await tell(none)).toEqual({ status: 404, said: `There is no order ${none}.\n` })
    const said = "An order number is digits that pass the Luhn check.\n"
    for (const noNumber of ["12345", "abc", "-1", "%3Cb%3E", "1%002"]) {
      expect(await tell(noNumber)).toEqual({ status: 404, said })
    }
    expect((await tell("1".repeat(1_000))).status).toBe(414)
  })

  it.skipIf(hasNoBrowser)(
    "is complete without the internet, and breaks no rule of its own",
    async () => {
      const { number } = await failed()
      const page = await newPage()
      const asked: string[] = []
      const complaints: string[] = []
      page.on("request", (request) => asked.push(request.url()))
      page.on("console", (message) => {
        // It asks for a history of the queue as well, which there is not.
        if (/Content Security Policy/.test(message.text())) complaints.push(message.text())
      })
      page.on("pageerror", (error) => complaints.push(String(error)))
      for (const path of ["/", "/metrics-history", "/job-schedulers"]) {
        await page.goto(`${board}${path}`, { waitUntil: "networkidle0" })
      }
      await openFailedJobs(page, board, number)
      expect((await jobButtons(page, number)).has("Retry")).toBe(true)
      await page.goto(`${board}/queue/accrual/order-${number}`, { waitUntil: "networkidle0" })
      expect(asked.some((url) => url.endsWith(".js"))).toBe(true)
      const elsewhere = asked.filter((url) => !url.startsWith(board) && !url.startsWith("data:"))
      expect(elsewhere).toEqual([])
      expect(complaints).toEqual([])
      await page.close()
    },
  )

  describe("with credentials", () => {
    let guarded: string
    beforeAll(async () => {
      const api = await system.addApi({ OPERATORS_PASSWORD: PASSWORD })
      guarded = api.details["operatorsUrl"] ?? ""
    })

    it("is nobody's who does not give them", async () => {
      const { number } = await uploaded(order("PROCESSED", "1"))
      for (const path of ["/", "/api/queues", "/metrics", `/orders/${number}`]) {
        const answers = [{}, basic("operator", "wrong"), basic("other", PASSWORD)].map(
          async (headers) => (await fetch(`${guarded}${path}`, { headers })).status,
        )
        expect(await Promise.all(answers)).toEqual([401, 401, 401])
        const headers = basic("operator", PASSWORD)
        expect((await fetch(`${guarded}${path}`, { headers })).status).toBe(200)
      }
    })

    it.skipIf(hasNoBrowser)("works for whoever gives them, its actions too", async () => {
      const { number } = await failed()
      const page = await newPage()
      await page.authenticate({ username: "operator", password: PASSWORD })
      await openFailedJobs(page, guarded, number)
      scoring.script(number, order("PROCESSED", "1"))
      await pressRetry(page, number)
      await expectAllSettledOnce(system, [number])
      await page.close()
    })
  })

  describe("that is read-only", () => {
    let readOnly: string
    beforeAll(async () => {
      const api = await system.addApi({ BOARD_READ_ONLY: "true" })
      readOnly = api.details["operatorsUrl"] ?? ""
    })

    it.skipIf(hasNoBrowser)(
      "lists the jobs, and has no button that does something to one",
      async () => {
        const { number } = await failed()
        const page = await newPage()
        const buttonsAt = async (boardUrl: string) => {
          await openFailedJobs(page, boardUrl, number)
          const names = await page.$$eval("button", (buttons) =>
            buttons.map(({ textContent }) => textContent),
          )
          const ofJob = [...(await jobButtons(page, number)).keys()]
          return { all: names.filter((name) => name.endsWith(" all")), ofJob }
        }
        expect(await buttonsAt(board)).toEqual({
          all: ["Retry all", "Clean all"],
          ofJob: ["Retry", "Duplicate", "Update Data", "Clean"],
        })
        expect(await buttonsAt(readOnly)).toEqual({ all: [], ofJob: [] })
        await page.close()
      },
    )

    it("takes no action", async () => {
      const { number } = await failed()
      const job = `/accrual/order-${number}`
      const actions: [string, string, object?][] = [
        ["PUT", `${job}/retry`],
        ["PUT", `${job}/clean`],
        ["PUT", `${job}/promote`],
        ["PATCH", `${job}/update-data`, { jobData: {} }],
        ["PATCH", `${job}/delay`, { runAt: 0 }],
        ["PATCH", `${job}/priority`, { priority: 1 }],
        ["POST", "/accrual/add", { name: "poll", data: { number, polls: 0 }, options: {} }],
        ["PUT", "/accrual/retry/failed"],
        ["PUT", "/accrual/clean/failed"],
        ["PUT", "/accrual/promote"],
        ["PUT", "/accrual/pause"],
        ["PUT", "/accrual/resume"],
        ["PUT", "/accrual/empty"],
        ["PUT", "/accrual/obliterate", { force: true }],
        ["PUT", "/accrual/concurrency", { concurrency: 1 }],
        ["PUT", "/accrual/rate-limit", { max: 1, duration: 1_000 }],
        ["PUT", "/accrual/rate-limit/release"],
      ]
      for (const [method, path, body] of actions) {
        const response = await act(readOnly, method, path, body)
        expect({ path, status: response.status }).toEqual({ path, status: 405 })
      }
      // This one is answered as done, and leaves out what is read-only.
      await act(readOnly, "PUT", "/pause")
      expect(await queue.isPaused()).toBe(false)
      expect(await (await jobOf(number))?.isFailed()).toBe(true)
      const listed = await fetch(`${readOnly}/api/queues?activeQueue=accrual&status=failed`)
      expect(await listed.text()).toContain(`order ${number}`)
    })
  })
})
