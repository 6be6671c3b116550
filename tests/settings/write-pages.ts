import { writeFileSync } from "node:fs"
import { repository } from "../deploy/compose.ts"
import { envExample, settingsPage } from "./pages.ts"

writeFileSync(`${repository}docs/SETTINGS.md`, settingsPage())
writeFileSync(`${repository}.env.example`, envExample())
