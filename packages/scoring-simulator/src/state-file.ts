import { closeSync, ftruncateSync, openSync, readFileSync, writeSync } from "node:fs"
import { ConfigError } from "@gofermart/shared/runtime/env.ts"
import { Type, type Static } from "typebox"
import { Compile } from "typebox/compile"

const LINE_FEED = 0x0a

const MechanicRecord = Type.Object({
  match: Type.String(),
  reward: Type.Number({ minimum: 0 }),
  rewardType: Type.Union([Type.Literal("%"), Type.Literal("pt")]),
})
/** An order with its verdict: INVALID when it has no accrual. */
const OrderRecord = Type.Object({
  order: Type.String(),
  accrualHundredths: Type.Optional(Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })),
})

/** One line of the file: something that has been registered. */
export type StateRecord = Static<typeof MechanicRecord> | Static<typeof OrderRecord>

const RECORD_STARTS = ['{"match":', '{"order":']

const stateRecord = Compile(Type.Union([MechanicRecord, OrderRecord]))

/**
 * Where goods and orders outlive the process: one JSON line for each, in the order they came.
 *
 * A record is in the kernel's hands when `append` returns, so it survives the end of the process
 * but not that of the machine. One process at a time may have the file open.
 */
export class StateFile {
  /** What the file held when it was opened. */
  readonly records: StateRecord[]
  readonly #file: number
  #sizeBytes: number

  /** Opens the file, or makes it. Throws a `ConfigError` when it cannot, or holds anything but records. */
  constructor(path: string) {
    this.#file = open(path)
    try {
      const content = readFileSync(path)
      this.#sizeBytes = content.lastIndexOf(LINE_FEED) + 1
      const lines = content.toString("utf8", 0, this.#sizeBytes).split("\n").slice(0, -1)
      this.records = lines.map((line, i) =>
        readRecord(line, `line ${i + 1} of the file in SIMULATOR_STATE`),
      )
      // A last line without its end was torn: nobody has been told that it was accepted. Left
      // there, it would spoil the next record as well.
      if (!isTornRecord(content.toString("utf8", this.#sizeBytes))) {
        throw new ConfigError(
          `the last line of the file in SIMULATOR_STATE is not goods or an order`,
        )
      }
      ftruncateSync(this.#file, this.#sizeBytes)
    } catch (error) {
      this.close()
      throw error
    }
  }

  /** Adds a record. Throws when the disk does not take it; then the file is as before. */
  append(record: StateRecord): void {
    const line = Buffer.from(`${JSON.stringify(record)}\n`)
    try {
      for (let written = 0; written < line.length;) {
        written += writeSync(this.#file, line, written)
      }
    } catch (error) {
      ftruncateSync(this.#file, this.#sizeBytes)
      throw error
    }
    this.#sizeBytes += line.length
  }

  close(): void {
    closeSync(this.#file)
  }
}

function readRecord(line: string, place: string): StateRecord {
  const value = parseJson(line)
  if (!stateRecord.Check(value)) throw new ConfigError(`${place} is not goods or an order`)
  return value
}

/** Keeps the wrong file, given by mistake, from losing its last line. */
function isTornRecord(text: string): boolean {
  return RECORD_STARTS.some((start) => text.startsWith(start) || start.startsWith(text))
}

/** Undefined when the text is not JSON. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function open(path: string): number {
  try {
    return openSync(path, "a+")
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    throw new ConfigError(
      `SIMULATOR_STATE must be the path of a file that can be written (it cannot be opened: ${code})`,
    )
  }
}
