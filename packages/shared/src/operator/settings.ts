import { Type } from "typebox"
import { readProxies, trustedProxies } from "../http/trusted-proxies.ts"
import {
  type Address,
  hasControlCharacter,
  listenAddress,
  readAddress,
  type Rule,
  textSetting,
} from "../runtime/env.ts"
import { setting } from "../runtime/setting.ts"

/** Where a service's operators look into it, and what they have to say for it. */
export interface Operators {
  address: Address
  login: string
  /** Undefined on the loopback interface only. */
  password: string | undefined
  /** Those say where a request comes from. */
  trustedProxies: string[]
}

const PASSWORD_LENGTH_MIN = 12

/** The settings of a service's listener for operators; read them with `readOperators`. */
export function operatorsSettings(defaultAddress: string) {
  return {
    OPERATORS_ADDRESS: setting(listenAddress(defaultAddress), {
      purpose: "where to serve metrics, board and liveness; port 0 is a free one, which is logged",
    }),
    OPERATORS_LOGIN: setting(
      textSetting({ default: "operator", description: "a login without a colon" }, (given) => {
        if (given.includes(":")) return "it has a colon"
        // Basic authentication has no place for them (RFC 7617, section 2).
        return hasControlCharacter(given) ? "it has a control character" : undefined
      }),
      { purpose: "the login for OPERATORS_ADDRESS" },
    ),
    OPERATORS_PASSWORD: setting(
      Type.Optional(
        textSetting(
          { description: `a password of at least ${PASSWORD_LENGTH_MIN} characters` },
          (given) => {
            if (given.length < PASSWORD_LENGTH_MIN) return "it is shorter"
            return hasControlCharacter(given) ? "it has a control character" : undefined
          },
        ),
      ),
      {
        purpose: "the password for OPERATORS_ADDRESS; required off the loopback interface",
        fallback: "nobody is asked for one",
        secret: true,
      },
    ),
    TRUSTED_PROXIES: trustedProxies,
  }
}

interface OperatorsRead {
  OPERATORS_ADDRESS: string
  OPERATORS_LOGIN: string
  OPERATORS_PASSWORD?: string
  TRUSTED_PROXIES?: string
}

/** Others can reach a listener that is not on the loopback interface. */
export const operatorsRule: Rule<OperatorsRead> = {
  of: ["OPERATORS_ADDRESS", "OPERATORS_PASSWORD"],
  isKept: (read) =>
    read.OPERATORS_PASSWORD !== undefined || isLoopback(readAddress(read.OPERATORS_ADDRESS)),
  says: "OPERATORS_ADDRESS is not on the loopback interface: OPERATORS_PASSWORD must be set",
}

export function readOperators(read: OperatorsRead): Operators {
  return {
    address: readAddress(read.OPERATORS_ADDRESS),
    login: read.OPERATORS_LOGIN,
    password: read.OPERATORS_PASSWORD,
    trustedProxies: readProxies(read.TRUSTED_PROXIES),
  }
}

function isLoopback({ host }: Address): boolean {
  return host === "localhost" || host === "::1" || /^127(\.\d{1,3}){3}$/.test(host)
}
