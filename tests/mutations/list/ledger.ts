import { mutationsOf } from "../mutation.ts"
import { LEDGER_CODE_RUNS, ledgerRuns } from "../test-runs.ts"

const shared = "packages/shared/src"

/** What else the ledger is made of: the function of a trigger, and what calls the functions. */
export const ledgerMutations = [
  ...mutationsOf(
    { sqlFunction: "name_accruals_user" },
    ledgerRuns(["ledger/migrate"], ["api/orders"]),
    [
      ["the accrual gets another order's user", "id = NEW.order_id", "id < NEW.order_id"],
      ["the accrual gets no user", "SELECT user_id INTO NEW.user_id", "PERFORM user_id"],
    ],
  ),
  ...mutationsOf({ file: `${shared}/ledger/outcomes.ts` }, LEDGER_CODE_RUNS, [
    [
      "an input without an outcome passes for a success",
      "told.usual + Object.keys(others).length !== inputs.length",
      "false",
    ],
    ["outcomes go to the inputs before theirs", "others[i + 1]", "others[i + 2]"],
  ]),
  ...mutationsOf({ file: `${shared}/db/batched-calls.ts` }, LEDGER_CODE_RUNS, [
    [
      "data that cannot be written fails its whole batch",
      `    case "connection_lost":\n      return "shared"`,
      `    case "connection_lost":\n    case "data":\n      return "shared"`,
    ],
    [
      "a held lock fails its whole batch",
      `    case "connection_lost":\n      return "shared"`,
      `    case "connection_lost":\n    case "locked":\n      return "shared"`,
    ],
  ]),
  ...mutationsOf(
    { file: "services/accrual-worker/src/settlement/poll-order.ts" },
    LEDGER_CODE_RUNS,
    [
      [
        "an amount that no balance holds is polled for ever",
        `    if (fault === "data") return { do: "fail", reason: "The ledger refuses this answer's amount." }\n`,
        "",
      ],
    ],
  ),
  ...mutationsOf({ file: `${shared}/ledger/verify.ts` }, LEDGER_CODE_RUNS, [
    ["a missing balance is overlooked", "WHEN b.user_id IS NULL THEN", "WHEN false THEN"],
    [
      "a wrong balance is overlooked",
      "WHEN b.accrual <> coalesce(e.credited - e.withdrawn, 0.00)",
      "WHEN false",
    ],
    [
      "a wrong sum of what was spent is overlooked",
      "WHEN b.withdrawal <> coalesce(e.withdrawn, 0.00)",
      "WHEN false",
    ],
    [
      "a line newer than the balance is overlooked",
      "WHEN e.version > b.version THEN",
      "WHEN false THEN",
    ],
    ["a version given twice is overlooked", "WHEN e.version_repeated THEN", "WHEN false THEN"],
    ["a line's wrong balance is overlooked", "WHEN e.line_wrong THEN", "WHEN false THEN"],
    [
      "an order without an accrual is overlooked",
      "AND a.order_id IS NULL\n       UNION ALL\n      SELECT DISTINCT",
      "AND false\n       UNION ALL\n      SELECT DISTINCT",
    ],
    [
      "a withdrawal against another's order is overlooked",
      "WHERE o.user_id <> w.user_id",
      "WHERE false",
    ],
    ["an accrual of another user's is overlooked", "WHERE a.user_id <> o.user_id", "WHERE false"],
  ]),
]
