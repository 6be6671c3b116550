/** The values of a message's fields by their numbers, in the order in which they came. */
export type ProtobufMessage = Map<number, (number | bigint | Uint8Array)[]>

/**
 * Reads a message of Protocol Buffers as its specification describes the wire: texts and messages in it
 * are left as bytes. Throws when it is none.
 */
export function readProtobuf(bytes: Uint8Array): ProtobufMessage {
  const message: ProtobufMessage = new Map()
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  let at = 0
  const skip = (length: number) => {
    const from = at
    at += length
    if (at > bytes.length) throw new Error(`the message ends within a value at byte ${from}`)
    return from
  }
  const varint = () => {
    let value = 0n
    for (let shift = 0n; ; shift += 7n) {
      const byte = view.getUint8(skip(1))
      value |= BigInt(byte & 0x7f) << shift
      if (byte < 0x80) return BigInt.asIntN(64, value)
    }
  }
  const valueOf = (wireType: number) => {
    if (wireType === 0) return varint()
    if (wireType === 1) return view.getBigUint64(skip(8), true)
    if (wireType === 5) return view.getUint32(skip(4), true)
    if (wireType !== 2) throw new Error(`there is no wire type ${wireType}`)
    const length = Number(varint())
    const from = skip(length)
    return bytes.subarray(from, from + length)
  }
  while (at < bytes.length) {
    const tag = Number(varint())
    const field = tag >> 3
    message.set(field, [...(message.get(field) ?? []), valueOf(tag & 7)])
  }
  return message
}

/** What a field has that is a message, or repeats one. */
export function messagesIn(message: ProtobufMessage, field: number): ProtobufMessage[] {
  return bytesIn(message, field).map(readProtobuf)
}

/** A field's text; undefined when it is not there. */
export function textIn(message: ProtobufMessage, field: number): string | undefined {
  return bytesIn(message, field).map((bytes) => Buffer.from(bytes).toString())[0]
}

/** A field's bytes as hexadecimal digits; undefined when it is not there. */
export function hexIn(message: ProtobufMessage, field: number): string | undefined {
  return bytesIn(message, field).map((bytes) => Buffer.from(bytes).toString("hex"))[0]
}

function bytesIn(message: ProtobufMessage, field: number): Uint8Array[] {
  return (message.get(field) ?? []).map((value) => {
    if (value instanceof Uint8Array) return value
    throw new Error(`field ${field} is a number`)
  })
}
