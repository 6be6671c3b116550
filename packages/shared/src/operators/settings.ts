import { Type } from "typebox"
import { type Address, ConfigError, listenAddress, parseAddress } from "../runtime/env.ts"

/** Where a service's operators look into it, and what they have to say for it. */
export interface Operators {
  address: Address
  login: string
  /** Undefined on the loopback interface only. */
  password: string | undefined
}

/** The settings of a service's listener for operators; read them with `readOperators`. */
export function operatorsSettings(defaultAddress: string) {
  return {
    OPERATORS_ADDRESS: listenAddress(defaultAddress),
    OPERATORS_LOGIN: Type.String({ default: "operator", description: "a login" }),
    OPERATORS_PASSWORD: Type.Optional(
      Type.String({ minLength: 12, description: "a password of at least 12 characters" }),
    ),
  }
}

/** Throws a `ConfigError` when others could reach the listener and there is no password. */
export function readOperators(read: {
  OPERATORS_ADDRESS: string
  OPERATORS_LOGIN: string
  OPERATORS_PASSWORD?: string
}): Operators {
  const address = readAddress(read.OPERATORS_ADDRESS)
  const password = read.OPERATORS_PASSWORD
  if (password === undefined && !isLoopback(address)) {
    throw new ConfigError(
      "OPERATORS_ADDRESS is not on the loopback interface: OPERATORS_PASSWORD must be set.",
    )
  }
  return { address, login: read.OPERATORS_LOGIN, password }
}

/** Reads an address that its schema has checked. */
export function readAddress(text: string): Address {
  const address = parseAddress(text)
  if (address === undefined) throw new ConfigError("An address is not usable.")
  return address
}

function isLoopback({ host }: Address): boolean {
  return host === "localhost" || host === "::1" || /^127(\.\d{1,3}){3}$/.test(host)
}
