import { createHash } from "node:crypto"
import { readFile } from "node:fs/promises"
import { promisify } from "node:util"
import { gzip } from "node:zlib"
import { PAGE_POLICY } from "@gofermart/shared/http/security-headers.ts"
import type { FastifyInstance } from "fastify"
import { codingFor } from "../http/codings.ts"

/** The files of Swagger UI that the page needs. */
const FILES = {
  "swagger-ui-bundle.js": "text/javascript; charset=utf-8",
  "swagger-ui.css": "text/css; charset=utf-8",
  "index.css": "text/css; charset=utf-8",
  "favicon-32x32.png": "image/png",
}
/** Of a hash in base64url: 96 bits. */
const VERSION_LENGTH = 16
const START = `SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#swagger-ui",
  layout: "BaseLayout",
  deepLinking: true,
  tryItOutEnabled: true,
  displayRequestDuration: true,
})
`

/** Its address has its version in it, so what a browser has of it stays right. */
const FOREVER = { "cache-control": "public, max-age=31536000, immutable" }
const ASK_AGAIN = { "cache-control": "no-cache" }

const compress = promisify(gzip)

/** What is the same for everybody. */
interface Content {
  type: string
  plain: Buffer
  compressed: Buffer
}

/**
 * Serves the API's description at `/openapi.json`, and a page at `/docs` that shows it and loads nothing
 * from elsewhere. Anybody may ask for them, so a request costs no more than sending them: they are made
 * and compressed once, at the start.
 */
export async function docsRoute(app: FastifyInstance): Promise<void> {
  const files = await readFiles()
  const folder = `/docs/${versionOf(files)}`
  for (const [name, file] of files) serve(app, `${folder}/${name}`, () => file, FOREVER)

  const page = await contentOf("text/html; charset=utf-8", writePage(folder))
  serve(app, "/docs", () => page, { ...ASK_AGAIN, "content-security-policy": PAGE_POLICY })

  let description: Content
  // When all routes are there.
  app.addHook("onReady", async () => {
    const text = JSON.stringify(app.swagger())
    description = await contentOf("application/json; charset=utf-8", text)
  })
  serve(app, "/openapi.json", () => description, ASK_AGAIN)
}

function serve(
  app: FastifyInstance,
  url: string,
  read: () => Content,
  headers: Record<string, string>,
): void {
  // Whatever encoding a client names, nothing is compressed for it.
  const options = { schema: { hide: true }, compress: false as const }
  app.get(url, options, async (request, reply) => {
    const { type, plain, compressed } = read()
    const isCompressed = codingFor(request, ["gzip"]) === "gzip"
    if (isCompressed) reply.header("content-encoding", "gzip")
    return reply
      .headers(headers)
      .type(type)
      .send(isCompressed ? compressed : plain)
  })
}

/** The plugin's own routes would compress a file for each request. */
async function readFiles(): Promise<[name: string, Content][]> {
  const folder = new URL("./static/", import.meta.resolve("@fastify/swagger-ui"))
  const files = Object.entries(FILES).map(async ([name, type]): Promise<[string, Content]> => {
    return [name, await contentOf(type, await readFile(new URL(name, folder)))]
  })
  return [
    ...(await Promise.all(files)),
    ["start.js", await contentOf("text/javascript; charset=utf-8", START)],
  ]
}

async function contentOf(type: string, content: string | Buffer): Promise<Content> {
  const plain = Buffer.from(content)
  return { type, plain, compressed: await compress(plain) }
}

function versionOf(files: [name: string, Content][]): string {
  const hash = createHash("sha256")
  for (const [, { plain }] of files) hash.update(plain)
  return hash.digest("base64url").slice(0, VERSION_LENGTH)
}

function writePage(folder: string): string {
  return `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8" />
    <title>Gofermart API</title>
    <link rel="icon" type="image/png" href="${folder}/favicon-32x32.png" />
    <link rel="stylesheet" href="${folder}/swagger-ui.css" />
    <link rel="stylesheet" href="${folder}/index.css" />
  </head>
  <body>
    <div id="swagger-ui"></div>
    <script src="${folder}/swagger-ui-bundle.js"></script>
    <script src="${folder}/start.js"></script>
  </body>
</html>
`
}
