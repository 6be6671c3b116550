import { fileURLToPath } from "node:url"
import { defineConfig } from "prisma/config"

// `prisma generate` fetches a native schema engine it does not need unless this names a file
// that exists; any file does (docs/decisions/0003).
process.env["PRISMA_SCHEMA_ENGINE_BINARY"] ??= fileURLToPath(import.meta.url)

export default defineConfig({ schema: "prisma/schema.prisma" })
