import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { chown, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { freePort } from "@gofermart/local-stack/ports.ts"
import type { RedisServer } from "@gofermart/local-stack/redis.ts"
import { afterAll, beforeAll, expect, it } from "vitest"
import { describeOnRedis } from "../harness/backends.ts"
import { createEmptyDatabase } from "../harness/database.ts"
import { eventually } from "../harness/eventually.ts"
import { startOwnRedis } from "../harness/system.ts"
import { readCompose, REQUIRED, SECRETS, type Service } from "./compose.ts"
import { type Image, imageUser, layOutImage } from "./image.ts"

describeOnRedis("each command of docker-compose.yml, on the image's files", () => {
  let image: Image
  let user: { uid: number; gid: number } | undefined
  let database: Awaited<ReturnType<typeof createEmptyDatabase>>
  let redis: RedisServer
  let volume: string
  let services: Record<string, Service>
  /** What the processes have written, for a test that fails. */
  let said = ""

  beforeAll(async () => {
    ;[image, user, database, redis] = await Promise.all([
      layOutImage(),
      imageUser(),
      createEmptyDatabase(),
      startOwnRedis(),
    ])
    volume = await mkdtemp(join(tmpdir(), "gofermart-volume-"))
    if (user !== undefined) await chown(volume, user.uid, user.gid)
    services = await onThisMachine()
  })
  afterAll(async () => {
    await redis.close()
    await database.drop()
    await image.remove()
    await rm(volume, { recursive: true })
  })

  /** The file with this test's servers, ports and folders instead of its containers'. */
  const onThisMachine = async () => {
    const ports = new Map<string, number>()
    for (const port of ["8080", "8090", "8091", "8092"]) ports.set(port, await freePort())
    const url = new URL(database.url)
    const secrets = await writeSecrets(decodeURIComponent(url.password))
    url.password = ""
    const withoutPassword = url.href
    const text = JSON.stringify(readCompose(REQUIRED).services)
      .replaceAll(
        /(?:0\.0\.0\.0|127\.0\.0\.1|scoring-simulator):(\d{4})\b/g,
        (_whole, port: string) => `127.0.0.1:${ports.get(port)}`,
      )
      .replaceAll(/postgresql:[^"]*@postgres:5432\/gofermart/g, withoutPassword)
      .replaceAll("/run/secrets", secrets)
      .replaceAll(/"(\d{4})","(\/\w+z)"/g, (_whole, port: string, path: string) =>
        JSON.stringify([String(ports.get(port)), path]).slice(1, -1),
      )
      .replaceAll("redis://redis:6379", redis.url)
      .replaceAll("/var/lib/scoring-simulator", volume)
    return JSON.parse(text) as Record<string, Service>
  }

  /** As deploy/make-secrets.sh makes them: everybody can read them who gets into the folder. */
  const writeSecrets = async (databasePassword: string) => {
    const folder = join(volume, "secrets")
    await mkdir(folder)
    const contents = { ...SECRETS, database_password: databasePassword }
    for (const [name, content] of Object.entries(contents)) {
      await writeFile(join(folder, name), `${content}\n`, { mode: 0o444 })
    }
    return folder
  }

  /** Runs a command as the service's container would: its user, its settings, and nothing else. */
  const run = (service: Service, [program = "", ...args]: string[]): ChildProcess => {
    const child = spawn(program, args, {
      cwd: image.folder,
      env: {
        PATH: `${dirname(process.execPath)}:/usr/bin:/bin`,
        NODE_ENV: "production",
        ...service.environment,
      },
      stdio: ["ignore", "pipe", "pipe"],
      ...user,
    })
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding("utf8").on("data", (text: string) => (said += text))
    }
    return child
  }
  const serviceNamed = (name: string): Service => {
    const service = services[name]
    if (service === undefined) throw new Error(`docker-compose.yml has no service ${name}`)
    return service
  }
  const endOf = async (child: ChildProcess): Promise<number | null> => {
    const [code] = (await once(child, "exit")) as [number | null]
    return code
  }
  const isHealthy = async (service: Service) => {
    const { test, timeout } = service.healthcheck ?? { test: [], timeout: "0s" }
    const child = run(service, test.slice(1))
    const late = setTimeout(() => child.kill("SIGKILL"), Number.parseInt(timeout, 10) * 1_000)
    const code = await endOf(child)
    clearTimeout(late)
    return code === 0
  }
  /** Runs a service until it is healthy and `whileHealthy` is done. */
  const runUntilStopped = async (name: string, whileHealthy?: () => Promise<void>) => {
    const service = serviceNamed(name)
    const child = run(service, service.command ?? [])
    const ended = endOf(child)
    try {
      await eventually(`${name} is healthy`, async () => {
        expect({ code: child.exitCode, said }).toMatchObject({ code: null })
        return isHealthy(service)
      })
      await whileHealthy?.()
    } finally {
      child.kill("SIGTERM")
    }
    expect({ code: await ended, said }).toMatchObject({ code: 0 })
  }

  it.each([
    { without: "nothing", code: 0, says: "The settings are usable." },
    { without: "SCORING_URL", code: 78, says: "SCORING_URL must be " },
    { without: "AUTH_KEYS_FILE", code: 78, says: "AUTH_KEYS must be " },
    { without: "DATABASE_URL", code: 78, says: "DATABASE_URL must be " },
  ])(
    "settings-check without $without ends with $code, and says why",
    async ({ without, ...end }) => {
      const { environment = {}, command = [], ...service } = serviceNamed("settings-check")
      said = ""
      const env = { ...environment, [without]: "" }
      const code = await endOf(run({ ...service, environment: env }, command))
      expect({ code, said }).toEqual({ code: end.code, said: expect.stringContaining(end.says) })
    },
  )

  it("migrate brings an empty database up to date and ends with 0", async () => {
    const migrate = serviceNamed("migrate")
    const code = await endOf(run(migrate, migrate.command ?? []))
    expect({ code, said }).toMatchObject({ code: 0 })
  })

  it.each(["scoring-simulator", "api", "accrual-worker"])(
    "%s becomes healthy by its own health check, and ends with 0 on SIGTERM",
    async (name) => {
      const service = serviceNamed(name)
      expect(await isHealthy(service)).toBe(false)
      await runUntilStopped(name)
      expect(await isHealthy(service)).toBe(false)
    },
  )

  it("accrual-worker stays healthy while the queue is away: a restart would not help", async () => {
    await runUntilStopped("accrual-worker", async () => {
      redis.freeze()
      const healthy = await isHealthy(serviceNamed("accrual-worker"))
      redis.thaw()
      expect(healthy).toBe(true)
    })
  })

  it("gofermart verifies the ledger", async () => {
    const { entrypoint = [], ...service } = serviceNamed("gofermart")
    said = ""
    const code = await endOf(run(service, [...entrypoint, "verify"]))
    expect({ code, said }).toMatchObject({ code: 0 })
    expect(said).toContain("Every balance is explained")
  })
})
