import { openRelay, type Relay } from "./relay.ts"

/** Where a connection is to break: right after so many messages of one side have got through. */
export interface Cut {
  after: number
  of: "server" | "client"
}

/** What PostgreSQL sends before it ends a connection that somebody terminates. */
const TERMINATED = errorResponse(
  "SFATAL\0VFATAL\0C57P01\0Mterminating connection due to administrator command\0\0",
)

/** The way to a server, on which connections break while they are opened. */
export interface CuttingProxy extends Relay {
  /** How many of the cuts have happened. */
  cutsMade(): number
}

/**
 * Puts one before the PostgreSQL or Redis server of `serverUrl`, on a port of its own.
 *
 * A connection breaks, by the number of the message, with the server's word for it (PostgreSQL only), with
 * FIN, or with RST.
 *
 * `cuts`: of the first connection, the second, and so on; undefined lets one be. Later ones are let be.
 */
export async function cutOpenings(
  serverUrl: string,
  cuts: readonly (Cut | undefined)[],
): Promise<CuttingProxy> {
  const target = new URL(serverUrl)
  const isPostgres = target.protocol !== "redis:"
  const messageLength = isPostgres ? postgresLength : redisLength
  let connections = 0
  let cutsMade = 0
  const relay = await openRelay(
    serverUrl,
    () => target,
    (near, far) => {
      const cut = cuts[connections++]
      for (const [socket, other] of [
        [near, far],
        [far, near],
      ] as const) {
        const side = socket === near ? "client" : "server"
        if (cut?.of !== side) {
          socket.pipe(other)
          continue
        }
        const breakOff = [
          () =>
            other.end(isPostgres && side === "server" ? TERMINATED : "", () => socket.destroy()),
          () => other.end(() => socket.destroy()),
          () => [near, far].forEach((end) => end.resetAndDestroy()),
        ]
        let messages = 0
        let held = Buffer.alloc(0)
        socket.on("data", (data) => {
          held = Buffer.concat([held, data as Buffer])
          for (;;) {
            const length = messageLength(held, side === "client" && messages === 0)
            if (length === undefined || messages === cut.after) return
            // With what breaks it off in the same packet.
            other.cork()
            process.nextTick(() => other.uncork())
            other.write(held.subarray(0, length))
            held = held.subarray(length)
            messages += 1
            if (messages < cut.after) continue
            cutsMade += 1
            breakOff[cut.after % 3]?.()
          }
        })
      }
    },
  )
  return { ...relay, cutsMade: () => cutsMade }
}

function errorResponse(fields: string): Buffer {
  const message = Buffer.from(`E\0\0\0\0${fields}`)
  message.writeUInt32BE(message.length - 1, 1)
  return message
}

/** The length of the first message in `data`, once it is there in full. */
function postgresLength(data: Buffer, isStartup: boolean): number | undefined {
  // A type and a length, which counts itself; the first message of a client has no type.
  const typeLength = isStartup ? 0 : 1
  if (data.length < typeLength + 4) return undefined
  const length = typeLength + data.readUInt32BE(typeLength)
  return data.length < length ? undefined : length
}

/** As above; a command and an answer have the same form. https://redis.io/docs/latest/develop/reference/protocol-spec */
function redisLength(data: Buffer): number | undefined {
  const lineEnd = data.indexOf("\r\n")
  if (lineEnd === -1) return undefined
  const type = String.fromCharCode(data[0] ?? 0)
  const count = Number(data.toString("latin1", 1, lineEnd))
  let length = lineEnd + 2
  if ("$=!".includes(type)) {
    if (count >= 0) length += count + 2
  } else if ("*~>%|".includes(type)) {
    const items = "%|".includes(type) ? 2 * count : count
    for (let i = 0; i < items; i++) {
      const item = redisLength(data.subarray(length))
      if (item === undefined) return undefined
      length += item
    }
  }
  return data.length < length ? undefined : length
}
