import { chmod, readFile, rm, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest"
import { envFile } from "../deploy/compose.ts"
import { type Installation, prepare } from "./installation.ts"

/** Of `up`, when a setting is not usable. */
const REFUSED_WITHIN_MS = 10_000

interface Wrong {
  what: string
  settings?: Record<string, string>
  secret?: string
  says: RegExp
}

const WRONG: Wrong[] = [
  {
    what: "no scoring system",
    settings: { SCORING_URL: "" },
    says: /SCORING_URL must be .*missing/,
  },
  {
    what: "a queue of another kind",
    settings: { QUEUE_URL: "amqp://rabbit" },
    says: /QUEUE_URL must be /,
  },
  {
    what: "a time without its unit",
    settings: { TOKEN_LIFETIME: "10" },
    says: /TOKEN_LIFETIME must be .*no unit/,
  },
  {
    what: "a password that is too short",
    secret: "operators_password",
    says: /OPERATORS_PASSWORD_FILE must be .*shorter/,
  },
  {
    what: "a simulator's delay that is no number",
    settings: { SIMULATOR_DELAY_MS: "soon" },
    says: /SIMULATOR_DELAY_MS must be /,
  },
  { what: "keys that are none", secret: "auth_keys", says: /AUTH_KEYS_FILE must be / },
]

describe("docker compose up", () => {
  let installation: Installation
  beforeAll(async () => {
    installation = await prepare(envFile("try"))
    expect((await installation.compose("build")).code).toBe(0)
  })
  afterEach(() => installation.compose("down", "--volumes"))
  afterAll(() => installation.remove())

  /** Makes a secret one that cannot be used, and gives what makes it good again. */
  const spoil = async (secret: string | undefined) => {
    if (secret === undefined) return async () => {}
    const path = join(installation.folder, "secrets", secret)
    const kept = await readFile(path, "utf8")
    await chmod(path, 0o644)
    await writeFile(path, "short\n")
    return () => writeFile(path, kept)
  }

  it.each(WRONG)(
    "does not come up with $what, and says why",
    async ({ settings = {}, secret, says }) => {
      const restore = await spoil(secret)
      const begun = performance.now()
      const up = await installation.composeWith(settings, "up", "--detach")
      const tookMs = performance.now() - begun
      await restore()
      expect(tookMs).toBeLessThan(REFUSED_WITHIN_MS)
      expect(up.code).not.toBe(0)
      expect(up.stderr).toMatch(/"settings-check" didn't complete successfully: exit 78/)
      const logs = ["logs", "--no-log-prefix", "settings-check"]
      const { stdout } = await installation.composeWith(settings, ...logs)
      expect(stdout.trim().split("\n")).toEqual([
        "The configuration is not usable:",
        expect.stringMatching(says),
      ])
    },
  )

  it("does not come up without its secrets, and names the file", async () => {
    await rm(join(installation.folder, "secrets/auth_keys"))
    const up = await installation.compose("up", "--detach")
    expect(up.code).not.toBe(0)
    expect(up.stderr).toContain("secrets/auth_keys")
  })
})
