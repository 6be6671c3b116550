import { randomBytes } from "node:crypto"
import { mkdtemp, rm } from "node:fs/promises"
import { createServer as createHttpServer } from "node:http"
import { createServer, type Server, type Socket } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { TLSSocket } from "node:tls"
import { builtPath } from "@gofermart/bundle/build.ts"
import type { RedisServer } from "@gofermart/local-stack/redis.ts"
import { migrate } from "@gofermart/shared/migrate/migrate.ts"
import { waitForDatabase } from "@gofermart/shared/db/wait-for-database.ts"
import { openAccrualQueue, openAccrualWorker } from "@gofermart/shared/queue/backend.ts"
import { addPolls, type PollJob } from "@gofermart/shared/queue/poll-job.ts"
import { redisTarget } from "@gofermart/shared/queue/redis-url.ts"
import { refuseHopelessRedis } from "@gofermart/shared/queue/refusals.ts"
import { ConfigError } from "@gofermart/shared/runtime/env.ts"
import { createLogger } from "@gofermart/shared/runtime/logger.ts"
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest"
import { type FaultProxy, startFaultProxy } from "../harness/fault-proxy.ts"
import { ask } from "../faults/readiness.ts"
import { createDatabase, createEmptyDatabase, type TestDatabase } from "../harness/database.ts"
import { eventually } from "../harness/eventually.ts"
import { startOwnRedis } from "../harness/system.ts"
import { CERTIFICATE, PRIVATE_KEY } from "./certificate.ts"
import { USABLE } from "./entries.ts"
import { STACK, start } from "./run.ts"

const API = builtPath("api")
const WORKER = builtPath("worker")
const MIGRATE = builtPath("migrate")
const GOFERMART = builtPath("gofermart")
const SECRET = "hunter22hunter22"

const DATABASE =
  "DATABASE_URL must be a connection string of a database that lets this process work"
const QUEUE_DATABASE = DATABASE.replace(
  "DATABASE_URL",
  "QUEUE_URL (or DATABASE_URL, where the queue is in the database)",
)
const QUEUE = "QUEUE_URL must be a connection string of a Redis that lets this process work"

/** As Redis says it, and later than a client that has something to say. */
const DENIED = "-DENIED Redis is running in protected mode because protected mode is enabled\r\n"
const DENIED_AFTER_MS = 100

let database: TestDatabase
let empty: Awaited<ReturnType<typeof createEmptyDatabase>>
const role = `role_${randomBytes(6).toString("hex")}`

beforeAll(async () => {
  database = await createDatabase()
  empty = await createEmptyDatabase()
  await database.client.$executeRawUnsafe(`CREATE ROLE ${role} LOGIN PASSWORD '${SECRET}'`)
})
afterAll(async () => {
  await database.client.$executeRawUnsafe(`DROP OWNED BY ${role}`)
  await database.client.$executeRawUnsafe(`DROP ROLE ${role}`)
  await empty.drop()
  await database.drop()
})

const settings = (env: Record<string, string>) => ({
  ...USABLE,
  RUN_ADDRESS: "127.0.0.1:0",
  OPERATORS_ADDRESS: "127.0.0.1:0",
  DATABASE_URL: database.url,
  ...env,
})

/** The database's URL, changed. */
function changed(url: string, change: (url: URL) => void): string {
  const parsed = new URL(url)
  change(parsed)
  return parsed.href
}

const asRole = (url: string) =>
  changed(url, (parsed) => {
    parsed.username = role
    parsed.password = SECRET
  })

/** Expects a process to end with 78, and to say in one line what is in the way. */
async function expectEnded(
  program: string,
  env: Record<string, string>,
  says: string,
  args: string[] = [],
): Promise<void> {
  const { code, printed, complained } = await start(program, settings(env), args).ended
  expect({ program, code, complained }).toEqual({
    program,
    code: 78,
    complained: expect.stringContaining(says),
  })
  expect(complained.trimEnd().split("\n")).toHaveLength(1)
  for (const said of [printed, complained]) {
    expect(said).not.toMatch(STACK)
    expect(said).not.toContain(SECRET)
  }
}

const silent = createLogger("tests", "silent")
const NONE_WRITTEN = { tables: [], functions: [] }

/** Expects what would end a process with 78. */
async function expectRefused(opening: Promise<unknown>, says: string): Promise<void> {
  const error: unknown = await opening.catch((caught: unknown) => caught)
  expect(error).toBeInstanceOf(ConfigError)
  expect((error as Error).message).toContain(says)
  expect((error as Error).message).not.toContain(SECRET)
}

/** An ErrorResponse of PostgreSQL's protocol. */
function refusalOfPostgres(code: string): Buffer {
  const fields = Buffer.from(`SFATAL\0VFATAL\0C${code}\0Mrefused by a test\0\0`)
  const length = Buffer.alloc(4)
  length.writeInt32BE(fields.length + length.length)
  return Buffer.concat([Buffer.from("E"), length, fields])
}

/** By the services, by what makes their schema, and by the queue where it is in a database. */
async function expectDatabaseRefused(url: string, reason: string): Promise<void> {
  await expectRefused(waitForDatabase(url, NONE_WRITTEN, silent), `${DATABASE} (${reason}`)
  await expectRefused(migrate(url), `${DATABASE} (${reason}`)
  await expectRefused(openAccrualQueue(url, silent), `${QUEUE_DATABASE} (${reason}`)
}

describe("a database that does not let a process work ends it with 78 before it was ready", () => {
  const wrongPassword = () =>
    changed(asRole(database.url), (url) => (url.password = `${SECRET}-no`))

  it.each([
    { program: API, args: [] },
    { program: WORKER, args: [] },
    { program: MIGRATE, args: [] },
    { program: GOFERMART, args: ["verify"] },
  ])("$program", async ({ program, args }) => {
    const env = { DATABASE_URL: wrongPassword(), QUEUE_URL: database.url }
    const says = `${DATABASE} (the server refuses its user name or its password`
    await expectEnded(program, env, says, args)
  })

  it.each([
    {
      what: "the wrong password",
      url: wrongPassword,
      reason: "the server refuses its user name or its password",
    },
    {
      what: "an unknown database",
      url: () => changed(database.url, (url) => (url.pathname = "/hunter22hunter22")),
      reason: "the server has no such database",
    },
    {
      what: "a server without TLS, where TLS is asked for",
      url: () => `${database.url}?sslmode=verify-full`,
      reason: "the server does not speak TLS",
    },
    {
      what: "an option that the server does not know",
      url: () => `${database.url}?options=-c%20hunter22hunter22%3D1`,
      reason: "the server does not know one of its parameters",
    },
    {
      what: "an option whose value the server refuses",
      url: () => `${database.url}?options=-c%20statement_timeout%3Dhunter22hunter22`,
      reason: "the server refuses the value of one of its parameters",
    },
    ...["hunter22hunter22", "-c", "-c work_mem"].map((options) => ({
      what: `options that the server cannot read: ${options}`,
      url: () => `${database.url}?options=${encodeURIComponent(options)}`,
      reason: "the server cannot read its options",
    })),
    {
      what: "an option that only the server's start can set",
      url: () => `${database.url}?options=-c%20max_connections%3D1`,
      reason: "the server lets nobody change one of its parameters",
    },
  ])("$what", async ({ url, reason }) => {
    await expectDatabaseRefused(url(), reason)
  })

  it("missing rights to the tables: each service asks for what it writes, and is ready with that", async () => {
    const says = `${DATABASE} (its user lacks rights: GRANT `
    const env = { DATABASE_URL: asRole(database.url), QUEUE_URL: database.url }
    const grant = (rights: string, tables: string) =>
      database.client.$executeRawUnsafe(`GRANT ${rights} ON ${tables} TO ${role}`)
    await expectEnded(WORKER, env, says)
    await grant("SELECT", "ALL TABLES IN SCHEMA public")
    await expectEnded(WORKER, env, says)
    await grant("UPDATE", "accruals, user_balances, scoring_pace, ledger_check")
    await expectEnded(WORKER, env, says)
    await grant("INSERT, UPDATE", "contradictions, scoring_pause")
    await grant("INSERT", "scoring_pace")
    const worker = start(WORKER, settings(env))
    await worker.prints('"msg":"polling"')
    const [, health] = await ask(`${worker.details().operatorsUrl}/healthz`)
    expect(health).toMatchObject({ database: "ok" })
    worker.kill()
    await worker.ended
    await expectEnded(API, env, says)
  })

  it("missing rights to make the tables, or the queue: the migration says which", async () => {
    const lacks = "its user lacks rights: GRANT"
    const name = new URL(empty.url).pathname.slice(1)
    const url = asRole(empty.url)
    await expectRefused(migrate(url), `${DATABASE} (${lacks} CREATE ON SCHEMA public)`)
    const makes = `${lacks} CREATE ON DATABASE ${name})`
    await expectRefused(migrate(`${url}?schema=loyalty`), `${DATABASE} (${makes}`)
    await expectRefused(migrate(database.url, url), `${QUEUE_DATABASE} (${makes}`)
    // A word of the language, which is no name without quotes.
    await database.client.$executeRawUnsafe(`CREATE SCHEMA "user"`)
    const fills = `(${lacks} USAGE, CREATE ON SCHEMA "user")`
    await expectRefused(migrate(`${asRole(database.url)}?schema=user`), `${DATABASE} ${fills}`)
  })

  it("missing rights to the queue: it works with those that it names, and makes nothing itself", async () => {
    const url = asRole(database.url)
    const says = `${QUEUE_DATABASE} (its user lacks rights: `
    const grants = [
      "GRANT USAGE ON SCHEMA bullmq",
      "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA bullmq",
      "GRANT USAGE ON ALL SEQUENCES IN SCHEMA bullmq",
    ]
    for (const [i, grant] of grants.entries()) {
      const missing = grants.slice(i).join("; ")
      await expectRefused(openAccrualQueue(url, silent), `${says}${missing})`)
      await database.client.$executeRawUnsafe(`${grant} TO ${role}`)
    }
    const queue = await openAccrualQueue(url, silent)
    const polled = Promise.withResolvers<string>()
    const poll = async ({ data }: PollJob) => polled.resolve(data.number)
    const worker = await openAccrualWorker(url, silent, poll, {})
    await addPolls(queue, ["18"])
    expect(await polled.promise).toBe("18")
    await worker.close()
    await queue.close()
  })

  it("a search path of the user's own, unless the URL names its schema", async () => {
    await database.client.$executeRawUnsafe(
      `GRANT SELECT ON ALL TABLES IN SCHEMA public TO ${role}`,
    )
    await database.client.$executeRawUnsafe(`CREATE SCHEMA of_the_role AUTHORIZATION ${role}`)
    const url = asRole(database.url)
    const says = `${DATABASE} (its search_path does not begin with public: name the right schema`
    for (const path of ["of_the_role", "nosuch", "''"]) {
      await database.client.$executeRawUnsafe(`ALTER ROLE ${role} SET search_path = ${path}`)
      await expectRefused(waitForDatabase(url, NONE_WRITTEN, silent), says)
      await expectRefused(migrate(url), says)
    }
    await waitForDatabase(`${url}?schema=public`, NONE_WRITTEN, silent)
    await database.client.$executeRawUnsafe(`ALTER ROLE ${role} RESET search_path`)
  })
})

describe("sessions that our statements cannot work in end a process with 78 before it was ready", () => {
  it.each([
    ["array_nulls", "off", "on"],
    ["default_transaction_isolation", "serializable", "read committed"],
    ["default_transaction_isolation", "repeatable read", "read committed"],
    ["session_replication_role", "replica", "origin"],
  ])("a role's %s is %s", async (setting, value, needed) => {
    await database.client.$executeRawUnsafe(
      `GRANT SELECT ON ALL TABLES IN SCHEMA public TO ${role}`,
    )
    await database.client.$executeRawUnsafe(`ALTER ROLE ${role} SET ${setting} = '${value}'`)
    const says = `${DATABASE} (its ${setting} is ${value}, and must be ${needed}: `
    const url = asRole(database.url)
    await expectRefused(waitForDatabase(url, NONE_WRITTEN, silent), says)
    await expectRefused(migrate(url), says)
    await database.client.$executeRawUnsafe(`ALTER ROLE ${role} RESET ${setting}`)
    await waitForDatabase(url, NONE_WRITTEN, silent)
  })

  it.each(["SQL_ASCII", "LATIN1"])("a database is in %s", async (encoding) => {
    const other = await createEmptyDatabase(
      `ENCODING '${encoding}' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0`,
    )
    const says = `${DATABASE} (its server_encoding is ${encoding}, and must be UTF8: `
    for (const program of [API, WORKER, MIGRATE]) {
      await expectEnded(program, { DATABASE_URL: other.url, QUEUE_URL: database.url }, says)
    }
    await other.drop()
  })
})

describe("a server of another kind ends a process with 78 before it was ready", () => {
  const servers: Server[] = []
  const serve = (talk: (socket: Socket) => void): Promise<string> => {
    const server = createServer((socket) => {
      socket.on("error", () => {})
      talk(socket)
    })
    return listening(server)
  }
  const listening = async (server: Server): Promise<string> => {
    servers.push(server)
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
    return `127.0.0.1:${(server.address() as { port: number }).port}`
  }
  afterAll(() => {
    for (const server of servers) server.close()
  })

  it("what is no PostgreSQL, and what is no Redis", async () => {
    const host = await listening(createHttpServer())
    await expectDatabaseRefused(`postgresql://user:${SECRET}@${host}/points`, "what answers there")
    const queue = openAccrualQueue(`redis://:${SECRET}@${host}`, silent)
    await expectRefused(queue, `${QUEUE} (what answers there is no Redis`)
  })

  it("a Redis in protected mode, of which who has written something learns only that it is closed", async () => {
    const host = await serve((socket) => {
      const refusal = setTimeout(() => socket.end(DENIED), DENIED_AFTER_MS)
      socket.once("data", () => {
        clearTimeout(refusal)
        socket.resetAndDestroy()
      })
    })
    const queue = openAccrualQueue(`redis://${host}`, silent)
    await expectRefused(queue, `${QUEUE} (Redis is in protected mode`)
  })

  it("but one that is only starting, or silent, is waited for", async () => {
    const codes = ["57P03", "57P03", "28P01"]
    const asked: string[] = []
    const postgres = await serve((socket) => {
      socket.once("data", () => {
        const code = codes[asked.length] ?? "28P01"
        asked.push(code)
        socket.end(refusalOfPostgres(code))
      })
    })
    const waits = waitForDatabase(`postgresql://user@${postgres}/points`, NONE_WRITTEN, silent)
    await expectRefused(waits, `${DATABASE} (the server refuses its user name`)
    expect(asked).toEqual(codes)
    const redis = await serve((socket) => {
      socket.on("data", () => socket.write("-LOADING Redis is loading the dataset in memory\r\n"))
    })
    const mute = await serve(() => {})
    for (const host of [redis, mute]) {
      const target = redisTarget(`redis://:${SECRET}@${host}`)
      await refuseHopelessRedis(target, { takesJobs: true })
    }
  })

  it("a certificate that nobody here trusts", async () => {
    const secured = (socket: Socket) => {
      const secure = new TLSSocket(socket, { isServer: true, cert: CERTIFICATE, key: PRIVATE_KEY })
      secure.on("error", () => {})
    }
    const postgres = await serve((socket) => {
      socket.once("data", () => {
        socket.write("S")
        secured(socket)
      })
    })
    const url = `postgresql://user:${SECRET}@${postgres}/points?sslmode=verify-full`
    await expectDatabaseRefused(url, "no authority that is trusted here has signed its certificate")
    const redis = openAccrualQueue(`rediss://:${SECRET}@${await serve(secured)}`, silent)
    await expectRefused(redis, `${QUEUE} (no authority that is trusted here`)
  })
})

const redisServer = inject("redisServer")
describe.skipIf("missing" in redisServer)("a Redis that does not let a process work", () => {
  let redis: RedisServer
  beforeAll(async () => {
    redis = await startOwnRedis()
    await redis.client.call("ACL", "SETUSER", "weak", "on", `>${SECRET}`, "~*", "-@all", "+ping")
    await redis.client.call("ACL", "SETUSER", "keyless", "on", `>${SECRET}`, "+@all", "resetkeys")
    await redis.client.call(
      "ACL",
      "SETUSER",
      "jobs",
      "on",
      `>${SECRET}`,
      "+@all",
      "~bull:accrual:*",
    )
    await redis.client.call(
      "ACL",
      "SETUSER",
      "adder",
      "on",
      `>${SECRET}`,
      "~bull:*",
      "+@all",
      "-bzpopmin",
    )
    await redis.client.call("CONFIG", "SET", "requirepass", `${SECRET}-right`)
    await redis.client.call("AUTH", `${SECRET}-right`)
  })
  afterAll(() => redis.close())

  it.each([
    { what: "the wrong password", user: `:${SECRET}-wrong@`, says: "Redis refuses its user name" },
    { what: "no password", user: "", says: "Redis asks for a password" },
    { what: "a user without rights", user: `weak:${SECRET}@`, says: "its user lacks rights" },
    { what: "a user without keys", user: `keyless:${SECRET}@`, says: "its user lacks rights" },
    // It could not become ready: that is asked with a key of its own.
    { what: "a user of some keys", user: `jobs:${SECRET}@`, says: "its user lacks rights" },
    {
      what: "a database that there is not",
      user: `:${SECRET}-right@`,
      path: "/99",
      says: "Redis has no database of that number",
    },
  ])("ends it with 78 before it was ready: $what", async ({ user, path = "", says }) => {
    const url = redis.url.replace("redis://", `redis://${user}`) + path
    await expectRefused(openAccrualQueue(url, silent), `${QUEUE} (${says}`)
  })

  it("refuses a worker that may not wait for jobs, and nobody who only adds them", async () => {
    const url = redis.url.replace("redis://", `redis://adder:${SECRET}@`)
    const worker = openAccrualWorker(url, silent, async () => {}, {})
    await expectRefused(worker, `${QUEUE} (its user lacks rights`)
    await (await openAccrualQueue(url, silent)).close()
  })

  it.each([
    { program: API, args: [] },
    { program: WORKER, args: [] },
    { program: GOFERMART, args: ["requeue", "--all"] },
  ])("ends $program", async ({ program, args }) => {
    const url = redis.url.replace("redis://", `redis://:${SECRET}-wrong@`)
    await expectEnded(program, { QUEUE_URL: url }, `${QUEUE} (Redis refuses its user name`, args)
  })
})

describe("start", () => {
  it("ends with 78 when a service of its does, and says what that said", async () => {
    const folder = await mkdtemp(join(tmpdir(), "gofermart-start-"))
    const env = { GOFERMART_DATA: folder, LOG_LEVEL: SECRET, SCORING_URL: "http://127.0.0.1:9" }
    const program = "packages/local-stack/src/start.ts"
    const { code, complained } = await start(program, { DATABASE_URL: database.url, ...env }).ended
    await rm(folder, { recursive: true })
    expect(code).toBe(78)
    expect(complained).toMatch(
      /^packages\/bundle\/dist\/api.js ended with 78 .*\n.*\n {2}LOG_LEVEL must be/,
    )
    expect(complained).not.toContain(SECRET)
  })
})

describe("a database that is away", () => {
  let proxy: FaultProxy
  beforeAll(async () => {
    proxy = await startFaultProxy(database.url)
    await proxy.cut()
  })
  afterAll(() => proxy.close())

  it("is waited for, and said to be, and its refusals end a process no longer once it was ready", async () => {
    await database.client.$executeRawUnsafe(`GRANT ALL ON ALL TABLES IN SCHEMA public TO ${role}`)
    const env = { DATABASE_URL: asRole(proxy.url), QUEUE_URL: database.url }
    const api = start(API, settings(env))
    await api.prints('"reason":"connect ECONNREFUSED')
    await proxy.mend()
    await api.prints('"msg":"serving"')

    await database.client.$executeRawUnsafe(`ALTER ROLE ${role} PASSWORD '${SECRET}-other'`)
    await database.client.$executeRaw`
      SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = ${role}`
    const { url } = api.details()
    const isReady = async () => (await fetch(`${url}/readyz`)).ok
    await eventually("it is not ready", async () => !(await isReady()))
    await database.client.$executeRawUnsafe(`ALTER ROLE ${role} PASSWORD '${SECRET}'`)
    await eventually("it is ready again", isReady)
    api.kill()
    const { complained } = await api.ended
    expect(complained).toBe("")
  })

  it("is waited for where its name is not known yet", async () => {
    const url = changed(database.url, (parsed) => (parsed.hostname = "not-yet.invalid"))
    const worker = start(WORKER, settings({ DATABASE_URL: url }))
    await worker.prints('"msg":"waiting for the database"')
    worker.kill()
    expect((await worker.ended).complained).toBe("")
  })
})
