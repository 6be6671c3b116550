import { build } from "./build.ts"

const isBuilt = await build()
process.stdout.write(isBuilt ? "Built packages/bundle/dist.\n" : "Nothing has changed.\n")
