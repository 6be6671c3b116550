import { durability } from "./durability.ts"
import { endToEnd } from "./end-to-end.ts"
import { fairShare } from "./fair-share.ts"
import { recording } from "./recording.ts"
import { largeTables } from "./large-tables.ts"
import { loginFlood } from "./login-flood.ts"
import { memory } from "./memory.ts"
import { openLoop } from "./open-loop.ts"
import { outage } from "./outage.ts"
import { pace } from "./pace.ts"
import { reads } from "./reads.ts"
import { requeue } from "./requeue.ts"
import type { Scenario } from "./scenario.ts"
import { settlement } from "./settlement.ts"
import { starts } from "./starts.ts"
import { waitingOrders } from "./waiting-orders.ts"
import { withdrawals } from "./withdrawals.ts"
import { workers } from "./workers.ts"

/** All there are, the ordinary ones first. */
export const scenarios: Scenario[] = [
  recording,
  durability,
  settlement,
  reads,
  withdrawals,
  endToEnd,
  workers,
  loginFlood,
  openLoop,
  starts,
  waitingOrders,
  largeTables,
  requeue,
  memory,
  pace,
  fairShare,
  outage,
]
