import type { Description } from "../harness/description.ts"
import { Connection } from "./connection.ts"

const HEAD = "POST /api/user/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"

/** Requests that end nowhere, without their client hanging up. */
const STALLED = {
  "half a request line": "POST /api/us",
  "half a head": HEAD,
  "a body that does not come": `${HEAD}Content-Length: 100\r\n\r\n`,
  "half a body": `${HEAD}Content-Length: 100\r\n\r\n{"login"`,
  "chunks without an end": `${HEAD}Transfer-Encoding: chunked\r\n\r\n2\r\n{"\r\n`,
}
const OPERATION = { path: "/api/user/login", verb: "post" }

/** Says which connections are kept whose requests never end, or are not ended with a 408. */
export async function stalledFindings(apiUrl: string, description: Description): Promise<string[]> {
  const findings = Object.entries(STALLED).map(async ([what, text]) => {
    const connection = await Connection.open(apiUrl)
    const shipment = { pieces: [Buffer.from(text)], isEnd: false, heads: [false], isOld: false }
    try {
      const { answers } = await connection.exchange(shipment)
      const [answer] = answers
      if (answer === undefined) return []
      const { status, headers } = answer
      const seen = { status, headers, body: answer.body.toString(), isHead: false }
      const complaint = status === 408 ? description.complaint(OPERATION, seen) : "which is no 408"
      return complaint === undefined ? [] : [`${what}: answered ${status} ${complaint}`]
    } catch (error) {
      return [`${what}: ${error instanceof Error ? error.message : String(error)}`]
    } finally {
      connection.close()
    }
  })
  return (await Promise.all(findings)).flat()
}
