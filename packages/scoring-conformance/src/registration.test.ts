import { createServer, type IncomingMessage } from "node:http"
import type { AddressInfo } from "node:net"
import { json } from "node:stream/consumers"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { checkConformance } from "./conformance.ts"
import type { CheckId } from "./checks.ts"
import { passWaits } from "./pass-waits.ts"

const running: (() => void)[] = []
beforeEach(passWaits)
afterEach(() => {
  for (const close of running.splice(0)) close()
})

interface Registration {
  order?: string
  match?: string
  goods?: unknown[]
}

/** How a scoring system that registers differs from a good one. */
interface Defect {
  refuse?: (registration: Registration) => number | undefined
  /** What it takes an order's number for. */
  key?: (number: string) => string
  accrual?: number
  /** Whether it forgets what was registered. */
  isForgetful?: boolean
}

async function startSystem({ refuse, key = (number) => number, ...defect }: Defect): Promise<URL> {
  const known = new Set<string>()
  const register = async (request: IncomingMessage): Promise<number> => {
    const registration = (await json(request)) as Registration
    const name = registration.match ?? key(registration.order ?? "")
    const refused = refuse?.(registration)
    if (refused !== undefined) return refused
    if (known.has(name) && defect.isForgetful !== true) return 409
    known.add(name)
    return registration.match === undefined ? 202 : 200
  }
  const server = createServer((request, response) => {
    if (request.method === "POST") {
      void register(request).then((status) => response.writeHead(status).end())
      return
    }
    const number = request.url?.replace("/api/orders/", "") ?? ""
    if (!known.has(key(number))) return void response.writeHead(204).end()
    const body = { order: number, status: "PROCESSED", accrual: defect.accrual ?? 729.98 }
    response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(body))
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  running.push(() => {
    server.closeAllConnections()
    server.close()
  })
  return new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
}

const refusing = (status: number, when: (registration: Registration) => boolean): Defect => ({
  refuse: (registration) => (when(registration) ? status : undefined),
})

async function violationsOf(defect: Defect): Promise<[CheckId, string][]> {
  const outcome = await checkConformance(await startSystem(defect), {
    orders: [],
    register: true,
    limitWithin: 0,
    progress: () => undefined,
  })
  if (outcome.kind !== "reported") throw new Error(outcome.reason)
  return outcome.report.checks.flatMap((found) =>
    found.verdict === "violated" ? [[found.check, found.violation] as [CheckId, string]] : [],
  )
}

describe("registering orders for the check", () => {
  it("finds nothing wrong with a good scoring system", async () => {
    expect(await violationsOf({})).toEqual([])
  })

  it("need not be possible without goods", async () => {
    expect(await violationsOf(refusing(400, ({ goods }) => goods?.length === 0))).toEqual([])
  })

  it.each<{ defect: string; does: Defect; check: CheckId; violation: string }>([
    {
      defect: "goods are refused",
      does: refusing(404, ({ match }) => match !== undefined),
      check: "registration",
      violation: "it answered 404, not 200",
    },
    {
      defect: "orders are refused",
      does: refusing(400, ({ order }) => order?.length === 18),
      check: "registration",
      violation: "it answered 400, not 202",
    },
    {
      defect: "the same is registered twice",
      does: { isForgetful: true },
      check: "registration",
      violation: "it answered 200, not 409",
    },
    {
      defect: "numbers with zeros are refused",
      does: refusing(400, ({ order }) => order?.startsWith("0") ?? false),
      check: "leading_zeros",
      violation: "it answered 400, not 202",
    },
    {
      defect: "numbers lose their zeros",
      does: { key: (number) => number.replace(/^0+/, "") },
      check: "leading_zeros",
      violation: "it knows the number without its zeros, too",
    },
    {
      defect: "long numbers are refused",
      does: refusing(400, ({ order }) => order?.length === 255),
      check: "long_numbers",
      violation: "it answered 400, not 202",
    },
    {
      defect: "the goods earn something else",
      does: { accrual: 729.97 },
      check: "reward",
      violation: "it earned 729.97, not 729.98",
    },
  ])("finds that $defect", async ({ does, check, violation }) => {
    expect(await violationsOf(does)).toEqual([[check, violation]])
  })
})
