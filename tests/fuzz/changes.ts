import * as fc from "fast-check"
import type { Aim } from "./aim.ts"
import { bodyChanges } from "./changes/body.ts"
import type { Changes } from "./changes/change.ts"
import { cookieChanges, tokenChanges } from "./changes/credentials.ts"
import { framingChanges } from "./changes/framing.ts"
import { headerChanges } from "./changes/headers.ts"
import { pathChanges } from "./changes/path.ts"
import { protocolChanges } from "./changes/protocol.ts"
import { queryChanges } from "./changes/query.ts"

/** Everything that may be made different in a request for this aim. */
export function changesOf(aim: Aim): Changes {
  const hasBody = aim.body !== undefined
  return fc.oneof(
    { weight: 3, arbitrary: queryChanges(aim) },
    { weight: 3, arbitrary: headerChanges(aim) },
    { weight: 2, arbitrary: pathChanges(aim) },
    { weight: 2, arbitrary: protocolChanges() },
    { weight: 1, arbitrary: cookieChanges() },
    { weight: aim.needsToken ? 1 : 0, arbitrary: tokenChanges() },
    { weight: hasBody ? 6 : 1, arbitrary: bodyChanges(aim) },
    { weight: hasBody ? 2 : 1, arbitrary: framingChanges() },
  )
}
