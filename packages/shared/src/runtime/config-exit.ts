import { Type } from "typebox"
import { ConfigError, duration, EXIT_CONFIG, judgeEnv, toMs } from "./env.ts"
import { setting } from "./setting.ts"

/** Reads a configuration, or says what is wrong with it and ends the process with `EXIT_CONFIG`. */
export function readConfigOrExit<Config>(read: () => Config): Config {
  try {
    return read()
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    return exitUnusable(error)
  }
}

/** For what restarts at once whatever has ended, such as a container engine. */
export const exitSettings = {
  CONFIG_EXIT_DELAY: setting(Type.Optional(duration()), {
    purpose: "how long a process with an unusable setting waits before it ends with 78",
    fallback: "it ends at once",
  }),
}

/**
 * Says what is wrong on standard error, and ends the process with `EXIT_CONFIG`, after
 * `CONFIG_EXIT_DELAY`.
 */
export function exitUnusable(error: ConfigError): never {
  const { read, faults } = judgeEnv(Type.Object(exitSettings), process.env)
  const delay = faults.length === 0 ? read.CONFIG_EXIT_DELAY : undefined
  if (delay === undefined) {
    process.stderr.write(`${error.message}\n`)
  } else {
    // Nothing else of this process is to go on, not even what it does on a signal: that ends it.
    for (const signal of ["SIGTERM", "SIGINT"]) process.removeAllListeners(signal)
    process.stderr.write(`${error.message}\n`)
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, toMs(delay))
  }
  process.exit(EXIT_CONFIG)
}
