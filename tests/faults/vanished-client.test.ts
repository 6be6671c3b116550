import { get, type IncomingMessage } from "node:http"
import { readFile } from "node:fs/promises"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import type { Customer } from "@gofermart/local-stack/customer.ts"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { eventually } from "../harness/eventually.ts"
import { withdrawInBulk } from "../harness/history.ts"
import { newNumber } from "../harness/numbers.ts"
import { layOwnNetwork, type OwnNetwork, whyNoOwnNetwork } from "../harness/own-network.ts"
import { processed, settleOne } from "../harness/ledger.ts"
import { startSystem, type System } from "../harness/system.ts"

const STREAMS = 10
/** A promise: for a stream whose client has vanished. */
const CLOSED_WITHIN_MS = 60_000
/** The test's, which ends what does not come. */
const OPENED_WITHIN_MS = 2_000
/** More than any buffer on the way holds. */
const WITHDRAWALS = 100_000
const SLOW_READ_INTERVAL_MS = 2_000

const noNetwork = await whyNoOwnNetwork()
const why = noNetwork === undefined ? "" : ` (${noNetwork})`

describe.skipIf(noNetwork !== undefined)(`clients that vanish without a word${why}`, () => {
  let system: System
  let network: OwnNetwork
  beforeAll(async () => {
    network = await layOwnNetwork()
    const apiEnv = {
      RUN_ADDRESS: `${network.serverAddress}:0`,
      TRUSTED_PROXIES: network.serverAddress,
      STREAMS_PER_NETWORK_MAX: String(2 * STREAMS),
    }
    system = await startSystem({ backend: "postgresql", workers: 0, apiEnv })
  })
  afterAll(() => system.close())

  /** Has a user follow their account from the other side as often as they may. */
  const followThere = async (customer: Customer) => {
    const program = fileURLToPath(new URL("following-clients.ts", import.meta.url))
    const url = `${system.apiUrl}/api/user/events`
    const clients = network.start(program, [url, customer.authorization, String(STREAMS)])
    const lines = createInterface({ input: clients.stdout ?? process.stdin })
    const begun: string[] = []
    lines.on("line", (line) => begun.push(line))
    await eventually("all follow", async () => begun.length === STREAMS)
    expect(begun).toEqual(begun.map(() => "200"))
    return () => clients.stdin?.end()
  }
  /** Follows an account from here, for a network if need be. */
  const follow = async (customer: Customer, forwarded?: string) => {
    const hangUp = new AbortController()
    const response = await fetch(`${system.apiUrl}/api/user/events`, {
      headers: {
        authorization: customer.authorization,
        ...(forwarded === undefined ? {} : { "x-forwarded-for": forwarded }),
      },
      signal: hangUp.signal,
    })
    return { status: response.status, hangUp: () => hangUp.abort() }
  }
  /** The connections of the API's with the other side, and what waits to be sent on that of a port here. */
  const connections = async () => {
    const table = await readFile("/proc/net/tcp", "latin1")
    const port = hexPort(new URL(system.apiUrl).port)
    const rows = table.split("\n").map((line) => line.trim().split(/\s+/))
    const ofApi = rows.filter(([, local]) => local?.endsWith(`:${port}`))
    const there = ofApi.filter(([, , remote, state]) => {
      return remote?.startsWith(hexAddress(network.clientAddress)) && state === ESTABLISHED
    })
    return { there: there.length, rows: ofApi }
  }

  it("50: ten streams are closed within 60 s; an eleventh is opened at once; a slow reader stays", async () => {
    const [anna, boris, clara] = await Promise.all([
      system.register(),
      system.register(),
      system.register(),
    ])
    const ends = await Promise.all([followThere(anna), followThere(boris)])
    expect((await connections()).there).toBe(2 * STREAMS)
    const slow = await readSlowly(await withLongHistory())

    await network.cut()
    const cutAt = performance.now()
    // There is no place left in that network.
    expect((await follow(clara, network.clientAddress)).status).toBe(429)
    const eleventh = await follow(boris)
    expect(eleventh.status).toBe(200)
    expect(performance.now() - cutAt).toBeLessThan(OPENED_WITHIN_MS)

    // The stream that was replaced has ended, and left its connection for another request.
    await eventually(
      "the connections are closed",
      async () => (await connections()).there <= 1,
      CLOSED_WITHIN_MS - (performance.now() - cutAt),
    )
    process.stdout.write(`closed after ${((performance.now() - cutAt) / 1_000).toFixed(0)} s\n`)
    const opened = await Promise.all(
      [clara, anna].flatMap((customer) =>
        Array.from({ length: STREAMS }, () => follow(customer, network.clientAddress)),
      ),
    )
    expect(opened.map(({ status }) => status)).toEqual(opened.map(() => 200))
    expect(await slow.waits()).toBe(true)
    expect(slow.bytes()).toBeGreaterThan(0)

    for (const { hangUp } of [...opened, eleventh]) hangUp()
    slow.response.destroy()
    for (const end of ends) end()
  })

  const withLongHistory = async () => {
    const { client } = system.database
    const dora = await system.register()
    const number = newNumber()
    await dora.upload(number)
    const { id } = await client.order.findUniqueOrThrow({ where: { number } })
    await settleOne(client, id, processed(WITHDRAWALS))
    await withdrawInBulk(client, dora.login, WITHDRAWALS)
    return dora
  }

  /** Takes a little of an account's history now and then, so that the rest waits for it. */
  const readSlowly = async (customer: Customer) => {
    const headers = { authorization: customer.authorization, "last-event-id": "0" }
    const response = await new Promise<IncomingMessage>((resolve) => {
      get(`${system.apiUrl}/api/user/events`, { headers }, (begun) => resolve(begun.pause()))
    })
    let bytes = 0
    const reading = setInterval(() => {
      bytes += (response.read() as Buffer | null)?.length ?? 0
    }, SLOW_READ_INTERVAL_MS)
    response.on("close", () => clearInterval(reading))
    const port = hexPort(String(response.socket.localPort))
    // The client would not notice before it has taken all that is on the way.
    const waits = async () => {
      const { rows } = await connections()
      const row = rows.find(([, , remote]) => remote?.endsWith(`:${port}`))
      return row?.[3] === ESTABLISHED && row[4]?.startsWith("00000000:") === false
    }
    await eventually("there is more than it takes", waits)
    return { response, bytes: () => bytes, waits }
  }
})

/** Of a connection's state, as Linux writes it. */
const ESTABLISHED = "01"

function hexPort(port: string): string {
  return Number(port).toString(16).toUpperCase().padStart(4, "0")
}

function hexAddress(address: string): string {
  const bytes = address.split(".").map(Number).toReversed()
  return Buffer.from(bytes).toString("hex").toUpperCase()
}
