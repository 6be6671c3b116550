import { describe, expect, it } from "vitest"
import { classifyError, isDuplicate } from "./errors.ts"

interface Cause {
  originalCode?: string
  originalMessage?: string
  kind?: string
}

/** An error as Prisma's client throws it for a failed statement (code P2010 and others). */
function prismaError(cause: Cause): Error {
  return Object.assign(new Error("Invalid `prisma.$queryRaw()` invocation"), {
    name: "PrismaClientKnownRequestError",
    code: "P2010",
    meta: { driverAdapterError: Object.assign(new Error(cause.kind), { cause }) },
  })
}

/** An error as Prisma's adapter makes it, where no client has wrapped it. */
function adapterError(cause: Cause): Error {
  return Object.assign(new Error(cause.kind), { name: "DriverAdapterError", cause })
}

/** An error as node-postgres makes it, which is what BullMQ's backend hands on. */
function pgError(code: string): Error {
  return Object.assign(new Error("…"), { code })
}

describe("an error with a SQLSTATE", () => {
  it.each([
    ["40001", "conflict", "a serialization failure"],
    ["40P01", "conflict", "a deadlock"],
    ["26000", "conflict", "a statement prepared elsewhere"],
    ["55P03", "locked", "a lock timeout"],
    ["57014", "unavailable", "a statement timeout"],
    ["57P03", "unavailable", "the server starts up"],
    ["25006", "unavailable", "a read-only standby"],
    ["57P01", "connection_lost", "pg_terminate_backend"],
    ["57P02", "connection_lost", "the server crashed"],
    ["08000", "connection_lost", "a connection exception"],
    ["08003", "connection_lost", "no connection"],
    ["08006", "connection_lost", "a connection failure"],
    ["08P01", "connection_lost", "a protocol violation"],
    ["22001", "data", "a text too long"],
    ["22003", "data", "a number out of range"],
    ["22021", "data", "a NUL in a text"],
    ["22P02", "data", "a text that is no number"],
    ["23502", "data", "a missing value"],
    ["23503", "data", "a broken reference"],
    ["23505", "data", "a duplicate"],
    ["23514", "data", "a CHECK that failed"],
    ["53000", "unavailable", "no resources"],
    ["53100", "unavailable", "a full disk"],
    ["53200", "unavailable", "no memory"],
    ["53300", "unavailable", "no connection left"],
    ["58030", "unavailable", "an I/O error of the server"],
    ["42601", "defect", "a syntax error"],
    ["42P01", "unavailable", "a table that is not there"],
    ["42883", "unavailable", "a function that is not there"],
    ["25P02", "defect", "a failed transaction"],
    ["P0001", "defect", "an exception raised"],
    ["XX000", "defect", "an internal error"],
  ])("%s is %s: %s", (originalCode, fault) => {
    const cause = { kind: "postgres", originalCode, originalMessage: "…" }
    expect(classifyError(prismaError(cause))).toBe(fault)
    expect(classifyError(adapterError(cause))).toBe(fault)
    expect(classifyError(pgError(originalCode))).toBe(fault)
  })

  it("0A000 is a conflict when a migration made a prepared statement stale, else a defect", () => {
    const cause = (originalMessage: string) => ({
      kind: "postgres",
      originalCode: "0A000",
      originalMessage,
    })
    const stale = cause("cached plan must not change result type")
    expect(classifyError(prismaError(stale))).toBe("conflict")
    expect(classifyError(prismaError(cause("not supported")))).toBe("defect")
  })

  it("is classified by it, whatever its kind and its words say", () => {
    const cause = {
      kind: "ConnectionClosed",
      originalCode: "40001",
      originalMessage: "Connection terminated unexpectedly",
    }
    expect(classifyError(prismaError(cause))).toBe("conflict")
  })
})

describe("an error without a SQLSTATE", () => {
  it.each([
    ["ConnectionClosed", "connection_lost"],
    ["SocketTimeout", "connection_lost"],
    ["DatabaseNotReachable", "unavailable"],
    ["TlsConnectionError", "unavailable"],
    ["TooManyConnections", "unavailable"],
  ])("of the kind %s is %s", (kind, fault) => {
    expect(classifyError(prismaError({ kind }))).toBe(fault)
    expect(classifyError(adapterError({ kind }))).toBe(fault)
  })

  it.each([
    ["timeout exceeded when trying to connect", "unavailable"],
    ["Connection terminated due to connection timeout", "unavailable"],
    ["Connection terminated", "connection_lost"],
    ["Connection terminated unexpectedly", "connection_lost"],
    ["Query read timeout", "connection_lost"],
    ["read ECONNRESET", "connection_lost"],
    ["write EPIPE", "connection_lost"],
    ["Client has encountered a connection error and is not queryable", "connection_lost"],
    ["connect ECONNREFUSED 127.0.0.1:5432", "unavailable"],
    ["getaddrinfo ENOTFOUND db", "unavailable"],
    ["getaddrinfo EAI_AGAIN db", "unavailable"],
    ["connect ETIMEDOUT 10.0.0.1:5432", "unavailable"],
    ["connect EHOSTUNREACH 10.0.0.1:5432", "unavailable"],
  ])("that says %j is %s", (message, fault) => {
    expect(classifyError(new Error(message))).toBe(fault)
    expect(classifyError(prismaError({ originalMessage: message }))).toBe(fault)
    expect(classifyError(prismaError({ kind: "unheard of", originalMessage: message }))).toBe(fault)
  })

  it("is found by its words in what the client makes of them", () => {
    const error = new Error("Invalid invocation:\n\nRaw query failed: Connection terminated\n")
    expect(classifyError(error)).toBe("connection_lost")
  })
})

describe("anything else", () => {
  it.each([
    new TypeError("undefined is not a function"),
    prismaError({}),
    prismaError({ kind: "postgres", originalCode: "", originalMessage: "" }),
    Object.assign(new Error("no cause"), { meta: {} }),
    Object.assign(new Error("no cause"), { meta: { driverAdapterError: {} } }),
    new Error("outer", { cause: new Error("inner") }),
    Object.assign(new Error("Missing key for job order-18"), { code: -1 }),
    {},
    "a text",
    7,
    null,
    undefined,
  ])("is a defect: %s", (error) => expect(classifyError(error)).toBe("defect"))
})

describe("a duplicate", () => {
  it("is what a unique constraint refused, and nothing else", () => {
    const cause = { kind: "UniqueConstraintViolation", originalCode: "23505" }
    expect(isDuplicate(prismaError(cause))).toBe(true)
    expect(isDuplicate(adapterError(cause))).toBe(true)
    expect(isDuplicate(prismaError({ originalCode: "23503" }))).toBe(false)
    expect(isDuplicate(new Error("23505"))).toBe(false)
    expect(isDuplicate(undefined)).toBe(false)
    expect(isDuplicate(null)).toBe(false)
  })
})
