import { exitWhenWritten } from "@gofermart/shared/runtime/exit.ts"
import { openapiText } from "./openapi-text.ts"

process.stdout.write(await openapiText())
await exitWhenWritten(0)
