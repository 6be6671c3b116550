import { readFileSync } from "node:fs"
import { expect, it } from "vitest"
import { repository } from "../deploy/compose.ts"
import { envExample, settingsPage } from "../settings/pages.ts"

it.each([
  { file: "docs/SETTINGS.md", text: settingsPage },
  { file: ".env.example", text: envExample },
])("$file says what the schemas say", ({ file, text }) => {
  const isCurrent = readFileSync(`${repository}${file}`, "utf8") === text()
  expect(isCurrent, `${file} is stale: npx -y pnpm@12 docs:settings`).toBe(true)
})
