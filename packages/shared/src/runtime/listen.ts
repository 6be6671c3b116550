import type { FastifyInstance } from "fastify"
import { type Address, ConfigError } from "./env.ts"

/** What keeps a server from listening until somebody changes its address. */
const REASONS: Record<string, string> = {
  EACCES: "this process may not use that port: take one from 1024 on",
  EADDRINUSE: "another program, or this one, has that port: stop it, or take another",
  EADDRNOTAVAIL: "this host does not have that address: take one of its own, or every interface",
  EAFNOSUPPORT: "this host does not have addresses of that kind",
  EAI_AGAIN: "its host cannot be looked up",
  EINVAL: "this host does not have that address",
  ENOTFOUND: "its host cannot be looked up",
}

/**
 * Has a server listen at the address that a setting gives, and resolves with its URL. Throws a
 * `ConfigError` when the address is not one that this process can have.
 */
export async function listen(
  app: FastifyInstance,
  address: Address,
  setting: string,
): Promise<string> {
  try {
    return await app.listen(address)
  } catch (error) {
    const { code = "" } = error as NodeJS.ErrnoException
    const reason = REASONS[code]
    if (reason === undefined) throw error
    throw new ConfigError(
      `${setting} must be an address host:port to listen on (${reason}; ${code})`,
      { cause: error },
    )
  }
}
