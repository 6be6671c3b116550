import { registerHooks } from "node:module"

/**
 * Puts a stand-in in the place of a module of the product, in a process that is measured, so that
 * the product itself needs no code for being measured. STAND_INS: by the end of a module's
 * URL, the URL of what is loaded instead.
 */
const standIns = Object.entries(
  JSON.parse(process.env["STAND_INS"] ?? "{}") as Record<string, string>,
)

registerHooks({
  resolve(specifier, context, next) {
    const resolved = next(specifier, context)
    const standIn = standIns.find(([module]) => resolved.url.endsWith(module))
    return standIn === undefined ? resolved : next(standIn[1], context)
  },
})
