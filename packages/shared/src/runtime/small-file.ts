import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs"

/** Why a file is not read: a few words that go after its name. */
export class UnreadableFileError extends Error {
  override name = "UnreadableFileError"
}

/** Reads a file that a setting names, of at most `bytesMax`; throws an `UnreadableFileError`. */
export function readSmallFile(path: string, bytesMax: number): Buffer {
  let file: number | undefined
  try {
    // Some files of /proc end only when something happens.
    file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
    // What is no file, such as a pipe, can be read only once, and may never end.
    if (!fstatSync(file).isFile()) throw new UnreadableFileError("is not a regular file")
    return readToEnd(file, bytesMax)
  } catch (error) {
    if (error instanceof UnreadableFileError) throw error
    const { code = "unknown" } = error as NodeJS.ErrnoException
    throw new UnreadableFileError(`cannot be read: ${code}`, { cause: error })
  } finally {
    if (file !== undefined) closeSync(file)
  }
}

function readToEnd(file: number, bytesMax: number): Buffer {
  const buffer = Buffer.alloc(bytesMax + 1)
  let bytes = 0
  while (bytes < buffer.length) {
    const more = readSync(file, buffer, bytes, buffer.length - bytes, null)
    if (more === 0) return buffer.subarray(0, bytes)
    bytes += more
  }
  throw new UnreadableFileError(`is larger than ${inWords(bytesMax)}`)
}

/** As text; throws an `UnreadableFileError` when it is not UTF-8. */
export function readSmallText(path: string, bytesMax: number): string {
  const content = readSmallFile(path, bytesMax)
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(content)
  } catch (error) {
    throw new UnreadableFileError("is not UTF-8", { cause: error })
  }
}

function inWords(bytes: number): string {
  const kib = bytes / 1_024
  return kib < 1_024 ? `${kib} KiB` : `${kib / 1_024} MiB`
}
