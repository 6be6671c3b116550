import { join } from "node:path"
import { defineConfig } from "vitest/config"

/** docker-compose.yml and the image, run on an engine, as docs/OPERATIONS.md says. */
export default defineConfig({
  test: {
    root: join(import.meta.dirname, ".."),
    include: ["containers/*.test.ts"],
    reporters: ["verbose", "./harness/suites-reporter.ts"],
    fileParallelism: false,
    // An image is built from what is downloaded.
    testTimeout: 600_000,
    hookTimeout: 600_000,
  },
})
