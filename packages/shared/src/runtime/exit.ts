import { constants } from "node:os"

const OUTPUTS = [process.stdout, process.stderr]
/** As a shell reports a program that SIGPIPE ended; Node ignores that signal. */
const EXIT_READER_GONE = 128 + constants.signals.SIGPIPE

/**
 * Ends the process when all that it wrote is taken. `process.exit` drops what a slow reader has left
 * in a pipe.
 */
export async function exitWhenWritten(code: number): Promise<never> {
  await Promise.all(OUTPUTS.map(written))
  process.exit(code)
}

function written(output: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => {
    output.write("", () => resolve())
  })
}

/**
 * Calls `end`, with a code to exit with, when a reader of the output has left, as `head` does: an
 * error that is not handled would be a stack trace.
 */
export function onReaderGone(end: (code: number) => void): void {
  for (const output of OUTPUTS) {
    output.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code !== "EPIPE") throw error
      end(EXIT_READER_GONE)
    })
  }
}
