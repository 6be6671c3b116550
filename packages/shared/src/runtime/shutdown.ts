import { setTimeout as sleep } from "node:timers/promises"
import { type Logger, logConsole } from "./logger.ts"
import { endOnUncaught } from "./uncaught.ts"

interface Step {
  name: string
  close: () => unknown
  limitMs: number
}

/** For a step that only closes connections. */
const SHORT_STEP_MS = 1_000
/** The part of the grace time for the one step that finishes work under way. */
const LONG_STEP_PART = 0.7

/**
 * Ends a process in order: whoever opens a resource registers its close beside it, and they run
 * last opened, first closed.
 *
 * It starts on SIGTERM, SIGINT, or when the parent that holds our IPC channel is gone, and ends
 * with exit code 0. A step that does not end in its time, because what it talks to is away, is
 * left behind; should all of it take longer than `graceMs`, the process exits with 1 instead of
 * hanging. Every promise of this system survives that.
 */
export class Shutdown {
  readonly #steps: Step[] = []
  readonly #logger: Logger
  readonly #graceMs: number
  #begun = false

  constructor(logger: Logger, graceMs: number) {
    this.#logger = logger
    this.#graceMs = graceMs
    endOnUncaught(logger)
    logConsole(logger)
    for (const signal of ["SIGTERM", "SIGINT"] as const)
      process.on(signal, () => this.begin(signal))
    process.once("disconnect", () => this.begin("the parent process is gone"))
  }

  onClose(name: string, close: () => unknown, limitMs = SHORT_STEP_MS): void {
    this.#steps.push({ name, close, limitMs })
  }

  /** The limit for the step that finishes work under way, in milliseconds. */
  get longStepMs(): number {
    return this.#graceMs * LONG_STEP_PART
  }

  /**
   * Says that the process does its work now, and where: in its log, and to a parent that has started
   * it. One that is being stopped says nothing more of the kind.
   */
  announce(message: string, details: Record<string, string>, more: object = {}): void {
    if (this.#begun) return
    this.#logger.info({ ...details, ...more }, message)
    announceReady(details)
  }

  begin(reason: string): void {
    if (this.#begun) return
    this.#begun = true
    this.#logger.info({ reason }, "stopping")
    setTimeout(() => {
      this.#logger.error({ graceMs: this.#graceMs }, "did not stop in time, exiting")
      process.exit(1)
    }, this.#graceMs).unref()
    void this.#run()
  }

  async #run(): Promise<void> {
    for (const { name, close, limitMs } of this.#steps.toReversed()) {
      try {
        const late = sleep(limitMs, "late", { ref: false })
        const outcome = await Promise.race([close(), late])
        if (outcome === "late") this.#logger.warn({ step: name, limitMs }, "left unfinished")
      } catch (error) {
        this.#logger.error({ err: error, step: name }, "a step of the shutdown failed")
      }
    }
    this.#logger.info("stopped")
    process.exit(0)
  }
}

/** Tells a parent that started us with an IPC channel that we serve, and where. */
export function announceReady(details: Record<string, string>): void {
  process.send?.({ ready: true, ...details })
}
