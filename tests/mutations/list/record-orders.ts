import { mutationsOf } from "../mutation.ts"
import { ledgerRuns } from "../test-runs.ts"

export const recordOrdersMutations = mutationsOf(
  { sqlFunction: "record_orders" },
  ledgerRuns(
    ["ledger/locks", "ledger/record-orders"],
    ["api/balance", "api/lists", "api/orders", "operator/orders", "system/journey"],
  ),
  [
    ["it waits for a lock for as long as it takes", "SET lock_timeout = '1s'\n", ""],
    ["the lease is over at once", "now() + p_lease_ms * interval '1 millisecond'", "now()"],
    [
      "orders are inserted in the order they came, so that two calls wait for each other",
      `    SELECT DISTINCT ON (i.number COLLATE "C") i.user_id, i.number, clock_timestamp()
      FROM unnest(p_user_ids, p_numbers) WITH ORDINALITY AS i (user_id, number, position)
      JOIN users u ON u.id = i.user_id
     ORDER BY i.number COLLATE "C", i.position
`,
      `    SELECT i.user_id, i.number, clock_timestamp()
      FROM unnest(p_user_ids, p_numbers) WITH ORDINALITY AS i (user_id, number, position)
      JOIN users u ON u.id = i.user_id
     ORDER BY i.position
`,
    ],
    [
      "of a number twice in a call the last upload wins",
      `ORDER BY i.number COLLATE "C", i.position`,
      `ORDER BY i.number COLLATE "C", i.position DESC`,
    ],
    [
      "a new order has no time of its upload",
      "i.user_id, i.number, clock_timestamp()",
      "i.user_id, i.number, NULL::timestamptz",
    ],
    [
      "an order of nobody's is inserted",
      "      JOIN users u ON u.id = i.user_id\n     ORDER",
      "     ORDER",
    ],
    ["a number that is there fails the call", "ON CONFLICT (number) DO NOTHING", ""],
    [
      "all are accepted when one of them is new",
      "IF cardinality(v_opened) = cardinality(p_numbers) THEN",
      "IF cardinality(v_opened) > 0 THEN",
    ],
    [
      "another user's upload opens an order again",
      "ON o.number = i.number AND o.user_id = i.user_id;",
      "ON o.number = i.number;",
    ],
    [
      "orders are opened again without locking them in order",
      `  PERFORM FROM accruals a
    WHERE a.order_id = ANY (v_owned)
      AND a.status IN ('NEW', 'UNREGISTERED')
    ORDER BY a.order_id
      FOR NO KEY UPDATE;
`,
      "",
    ],
    [
      "orders are locked in no order before they are opened again",
      "    ORDER BY a.order_id\n      FOR NO KEY UPDATE;",
      "    FOR NO KEY UPDATE;",
    ],
    [
      "an order with a verdict is opened again",
      "AND a.status IN ('NEW', 'UNREGISTERED')\n    RETURNING",
      "AND a.status <> 'PROCESSING'\n    RETURNING",
    ],
    [
      "an UNREGISTERED order is not opened again",
      "AND a.status IN ('NEW', 'UNREGISTERED')\n    RETURNING",
      "AND a.status = 'NEW'\n    RETURNING",
    ],
    [
      "an order that a withdrawal named is not opened",
      "AND a.status IN ('NEW', 'UNREGISTERED')\n    RETURNING",
      "AND a.status = 'UNREGISTERED'\n    RETURNING",
    ],
    [
      "an order opened again keeps its place in the history",
      "version = NULL, balance_after = NULL, ",
      "",
    ],
    ["an order opened again keeps its grace time", ", unknown_since = NULL", ""],
    ["an order opened again keeps its lease", "requeue_at = v_lease_end, ", ""],
    ["an order opened again was not changed by it", ", updated_at = clock_timestamp()", ""],
    [
      "an order opened again keeps the time of its upload, or has none",
      "FROM reopened r WHERE o.id = r.id",
      "FROM reopened r WHERE o.id = r.id AND false",
    ],
    [
      "an order opened again keeps the time of its first upload",
      "SET uploaded_at = clock_timestamp()",
      "SET uploaded_at = coalesce(o.uploaded_at, clock_timestamp())",
    ],
    ["another user's order is this user's", "WHEN o.user_id <> i.user_id THEN 'taken'\n", ""],
    [
      "an upload of nobody's before it takes the acceptance",
      "PARTITION BY i.number, i.user_id",
      "PARTITION BY i.number",
    ],
    [
      "outcomes are not in the order of the uploads",
      "LEFT JOIN orders o ON o.number = i.number\n     ORDER BY i.position;",
      "LEFT JOIN orders o ON o.number = i.number\n     ORDER BY i.number;",
    ],
  ],
)
