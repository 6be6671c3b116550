import { timingSafeEqual } from "node:crypto"
import fastifyBasicAuth from "@fastify/basic-auth"
import type { FastifyInstance } from "fastify"
import { boundedCache } from "../runtime/bounded-cache.ts"
import { countedFor } from "../http/network.ts"
import type { Logger } from "../runtime/logger.ts"
import type { Operators } from "./settings.ts"

/** As many wrong passwords as a customer may try. */
const GUESSES_MAX = 10
const GUESSES_WINDOW_MS = 600_000
const GUESSERS_MAX = 10_000

/**
 * Answers nothing without the operators' credentials, but a route whose `config` has `isOpen`. A network
 * that has guessed too often is refused, with the right ones too.
 *
 * The guesses are counted in memory: operators look when the database is away.
 */
export async function requireOperator(
  app: FastifyInstance,
  { login, password }: Pick<Operators, "login"> & { password: string },
  logger: Logger,
): Promise<void> {
  const guesses = new Guesses()
  await app.register(fastifyBasicAuth, {
    authenticate: { realm: "gofermart operators" },
    validate: async (givenLogin, givenPassword, request) => {
      const isLogin = equals(givenLogin, login)
      if (isLogin && equals(givenPassword, password)) {
        request.operator = login
        return
      }
      const { clientAddress: address } = request
      guesses.count(address)
      // Another login may be a password in the wrong field.
      logger.warn({ login: isLogin ? login : "another", address }, "an operator's login failed")
      throw new Error("wrong credentials")
    },
  })
  app.addHook("onRequest", (request, reply, done) => {
    if (request.routeOptions.config.isOpen === true) return done()
    const secondsLeft = guesses.secondsLeft(request.clientAddress)
    if (secondsLeft === 0) return app.basicAuth(request, reply, done)
    const error = "Too many logins have failed; try again later."
    return reply.code(429).header("retry-after", secondsLeft).send({ error })
  })
}

class Guesses {
  /** By everything that an address is counted for; each is forgotten a window after its first guess. */
  readonly #made = boundedCache<string, { times: number }>(GUESSERS_MAX, { ttl: GUESSES_WINDOW_MS })

  count(address: string): void {
    for (const { key } of limitsOf(address)) {
      const made = this.#made.get(key)
      if (made === undefined) this.#made.set(key, { times: 1 })
      else made.times += 1
    }
  }

  /** Until the address may guess again; 0 when it may. */
  secondsLeft(address: string): number {
    const left = limitsOf(address)
      .filter(({ key, max }) => (this.#made.get(key)?.times ?? 0) >= max)
      .map(({ key }) => Math.ceil(this.#made.getRemainingTTL(key) / 1_000))
    return Math.max(0, ...left)
  }
}

function limitsOf(address: string): { key: string; max: number }[] {
  return countedFor(address).map(({ name, factor }) => ({ key: name, max: GUESSES_MAX * factor }))
}

function equals(given: string, expected: string): boolean {
  const a = Buffer.from(given)
  const b = Buffer.from(expected)
  return a.length === b.length && timingSafeEqual(a, b)
}
