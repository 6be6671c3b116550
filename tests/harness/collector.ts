import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { gunzipSync } from "node:zlib"
import { type CollectedSpan, spansInJson, spansInProtobuf } from "./spans.ts"

export type { CollectedSpan } from "./spans.ts"

export interface Collector {
  url: string
  spans(): CollectedSpan[]
  /** Everything that was received, as it came; texts can be found in either encoding. */
  received(): string
  /** Of everything that was received. */
  contentTypes(): Set<string>
  close(): Promise<void>
}

const READERS: Record<string, (body: Buffer) => CollectedSpan[]> = {
  "application/json": spansInJson,
  "application/x-protobuf": spansInProtobuf,
}
/** That all spans were taken. */
const TAKEN: Record<string, string> = { "application/json": "{}", "application/x-protobuf": "" }

/** Starts a collector that takes OTLP over HTTP, in JSON and in protobuf, compressed or not. */
export async function startCollector(): Promise<Collector> {
  const bodies: { type: string; body: Buffer }[] = []
  const server = createServer((request, response) => {
    const { "content-type": type = "", "content-encoding": encoding } = request.headers
    const chunks: Buffer[] = []
    request.on("data", (chunk: Buffer) => chunks.push(chunk))
    request.on("end", () => {
      const sent = Buffer.concat(chunks)
      const body = encoding === "gzip" ? gunzipSync(sent) : sent
      if (request.url === "/v1/traces") bodies.push({ type, body })
      response.writeHead(200, { "content-type": type }).end(TAKEN[type])
    })
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    spans: () =>
      bodies.flatMap(({ type, body }) => {
        const read = READERS[type]
        if (read === undefined) throw new Error(`there are no traces in ${type}`)
        return read(body)
      }),
    received: () => bodies.map(({ body }) => body.toString()).join("\n"),
    contentTypes: () => new Set(bodies.map(({ type }) => type)),
    async close() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
