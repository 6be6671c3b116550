import { mutationsOf } from "../mutation.ts"
import { FAIR_SHARE_RUNS } from "../test-runs.ts"

export const fairShareMutations = [
  ...mutationsOf({ file: "packages/shared/src/queue/fair-share.ts" }, FAIR_SHARE_RUNS, [
    ["all orders are alike", "if (unfinishedOrders < 1) return 0", "return 0"],
    [
      "nobody is moved up",
      "return Math.min(priority, Math.max(priority - 1, 1))",
      "return priority",
    ],
    [
      "who was passed over goes before a customer's only order",
      "Math.max(priority - 1, 1)",
      "Math.max(priority - 1, 0)",
    ],
    ["a job that is put back has no place", "priority: priorityOf(before)", "priority: 0"],
  ]),
  ...mutationsOf({ file: "packages/shared/src/queue/backlog.ts" }, FAIR_SHARE_RUNS, [
    [
      "the first of all is taken for the longest due",
      "queue.getPrioritized(place, place)",
      "queue.getPrioritized(0, 0)",
    ],
  ]),
  ...mutationsOf({ file: "services/api/src/orders/order-recorder.ts" }, FAIR_SHARE_RUNS, [
    [
      "an upload's job has no place",
      "priority: priorityOf(unfinished.add(upload.userId))",
      "priority: 0",
    ],
  ]),
  ...mutationsOf({ file: "services/api/src/orders/unfinished.ts" }, FAIR_SHARE_RUNS, [
    ["an accepted order does not count", "count.orders++", "count.orders"],
  ]),
]
