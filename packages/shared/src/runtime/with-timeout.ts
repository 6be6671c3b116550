/**
 * Gives what the promise gives, or rejects with `message` after `timeoutMs`. What was begun goes on:
 * a queue's first connection is otherwise waited for as long as it takes.
 */
export function withTimeout<Result>(
  promise: Promise<Result>,
  timeoutMs: number,
  message: string,
): Promise<Result> {
  const late = AbortSignal.timeout(timeoutMs)
  return Promise.race([
    promise,
    new Promise<never>((_resolve, reject) => {
      late.addEventListener("abort", () => reject(new Error(message)))
    }),
  ])
}
