import { registerHooks } from "node:module"

/**
 * Puts a baseline in the place of a module of the product, in a process that is measured, so that
 * the product itself needs no code for being measured. STAND_INS: by the end of a module's
 * URL, the URL of what is loaded instead.
 */
const baselines = Object.entries(
  JSON.parse(process.env["STAND_INS"] ?? "{}") as Record<string, string>,
)

registerHooks({
  resolve(specifier, context, next) {
    const resolved = next(specifier, context)
    const baseline = baselines.find(([module]) => resolved.url.endsWith(module))
    return baseline === undefined ? resolved : next(baseline[1], context)
  },
})
