import {
  describeContradiction,
  describeVerdict,
} from "@gofermart/shared/operators/describe-contradiction.ts"
import { type Backends, say } from "./backends.ts"

/** Of one list. */
export const CONTRADICTIONS_LISTED_MAX = 1_000
export const CONTRADICTIONS_LISTED_DEFAULT = 20

/** Tells which verdicts the scoring system has contradicted, the latest first. */
export async function showContradictions(
  { database }: Backends,
  listedMax: number,
): Promise<number> {
  const count = await database.contradiction.count()
  const latest = await database.contradiction.findMany({
    orderBy: [{ lastSeenAt: "desc" }, { orderId: "desc" }],
    take: listedMax,
    include: { order: { include: { accrual: true, user: true } } },
  })
  for (const contradiction of latest) {
    const { number, user, accrual } = contradiction.order
    const verdict = accrual === null ? "nothing" : describeVerdict(accrual)
    const said = describeContradiction(contradiction)
    say(`order ${number} of ${user.login}, ${verdict}, is contradicted ${said}`)
  }
  const untold = count - latest.length
  say(`${count} orders are contradicted${untold > 0 ? `, ${untold} not told` : ""}.`)
  return 0
}
