import type { Logger } from "./logger.ts"

interface Step {
  name: string
  close: () => unknown
}

/**
 * Ends a process in order: whoever opens a resource registers its close beside it, and they run
 * last opened, first closed.
 *
 * It starts on SIGTERM, SIGINT, or when the parent that holds our IPC channel is gone, and ends
 * with exit code 0. When it takes longer than `graceMs`, the process exits with 1 instead of
 * hanging: every promise of this system survives that.
 */
export class Shutdown {
  readonly #steps: Step[] = []
  readonly #logger: Logger
  readonly #graceMs: number
  #begun = false

  constructor(logger: Logger, graceMs: number) {
    this.#logger = logger
    this.#graceMs = graceMs
    for (const signal of ["SIGTERM", "SIGINT"] as const)
      process.on(signal, () => this.begin(signal))
    process.once("disconnect", () => this.begin("the parent process is gone"))
  }

  onClose(name: string, close: () => unknown): void {
    this.#steps.push({ name, close })
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
    for (const { name, close } of this.#steps.toReversed()) {
      try {
        await close()
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
