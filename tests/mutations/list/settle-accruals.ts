import { mutationsOf } from "../mutation.ts"
import { ledgerRuns } from "../test-runs.ts"

export const settleAccrualsMutations = mutationsOf(
  { sqlFunction: "settle_accruals" },
  ledgerRuns(
    ["ledger/contradictions", "ledger/locks", "ledger/settle-accruals"],
    [
      "api/events",
      "ledger/record-orders",
      "ledger/verify",
      "operator/contradictions",
      "system/journey",
      "system/locked-balance",
      "system/poll-table",
    ],
  ),
  [
    ["it waits for a lock for as long as it takes", "SET lock_timeout = '1s'\n", ""],
    ["there is no grace time", "now() - p_grace_ms * interval '1 millisecond'", "now()"],
    [
      "answers go to the wrong orders",
      "array_agg(o.id ORDER BY i.position)",
      "array_agg(o.id ORDER BY o.id)",
    ],
    [
      "an unknown number shifts the answers",
      "    LEFT JOIN orders o ON o.number = i.number;",
      "    JOIN orders o ON o.number = i.number;",
    ],
    [
      "the balance of an order whose grace time is over is not locked",
      "\n      OR (i.answer = 'NOT_REGISTERED' AND a.unknown_since <= v_unknown_before);",
      ";",
    ],
    [
      "balances are not locked",
      `    PERFORM FROM user_balances b
      WHERE b.user_id = ANY (v_users)
      ORDER BY b.user_id
        FOR NO KEY UPDATE;
`,
      "",
    ],
    [
      "balances are locked in no order",
      "      ORDER BY b.user_id\n        FOR NO KEY UPDATE;",
      "        FOR NO KEY UPDATE;",
    ],
    [
      "a held balance fails the call",
      "WHEN lock_not_available THEN",
      "WHEN deadlock_detected THEN",
    ],
    [
      "a held balance holds up the others",
      "FOR NO KEY UPDATE SKIP LOCKED) l;",
      "FOR NO KEY UPDATE) l;",
    ],
    [
      "accruals are not locked",
      `  PERFORM FROM accruals a
    WHERE a.order_id = ANY (v_order_ids)
    ORDER BY a.order_id
      FOR NO KEY UPDATE;
`,
      "",
    ],
    [
      "accruals are locked in no order",
      "    ORDER BY a.order_id\n      FOR NO KEY UPDATE;",
      "      FOR NO KEY UPDATE;",
    ],
    [
      "several verdicts on an order in one call all count",
      "SELECT DISTINCT ON (i.order_id)\n           i.order_id, o.user_id",
      "SELECT i.order_id, o.user_id",
    ],
    [
      "hundredths are cut off",
      "coalesce(i.hundredths, 0) / 100.0 AS value",
      "coalesce(i.hundredths, 0) / 100 AS value",
    ],
    [
      "an order is settled without the lock on its balance",
      "WHERE o.user_id = ANY (v_locked_users)\n       AND ((i.answer",
      "WHERE ((i.answer",
    ],
    [
      "an order that nobody uploaded is settled",
      "AND a.status IN ('PROCESSING', 'UNREGISTERED'))",
      "AND a.status IN ('NEW', 'PROCESSING', 'UNREGISTERED'))",
    ],
    [
      "an order is credited each time",
      "AND a.status IN ('PROCESSING', 'UNREGISTERED'))",
      "AND a.status IN ('PROCESSING', 'UNREGISTERED', 'PROCESSED'))",
    ],
    [
      "a late verdict does not replace UNREGISTERED",
      "AND a.status IN ('PROCESSING', 'UNREGISTERED'))",
      "AND a.status = 'PROCESSING')",
    ],
    [
      "a 204 settles an order that is settled",
      "i.answer = 'NOT_REGISTERED' AND a.status = 'PROCESSING'\n             AND",
      "i.answer = 'NOT_REGISTERED' AND",
    ],
    [
      "the end of the grace time is not checked again under the lock",
      "\n             AND a.unknown_since <= v_unknown_before))",
      "))",
    ],
    [
      "the end of the grace time goes before a verdict",
      "ORDER BY i.order_id, i.answer = 'NOT_REGISTERED', i.position",
      "ORDER BY i.order_id, i.position",
    ],
    [
      "the last verdict of a call counts",
      "i.answer = 'NOT_REGISTERED', i.position\n",
      "i.answer = 'NOT_REGISTERED', i.position DESC\n",
    ],
    [
      "one user's versions follow another's",
      "(PARTITION BY v.user_id ORDER BY v.position)",
      "(ORDER BY v.position)",
    ],
    [
      "versions are not in the order of the answers",
      "(PARTITION BY v.user_id ORDER BY v.position)",
      "(PARTITION BY v.user_id ORDER BY v.position DESC)",
    ],
    [
      "orders of one call share a version",
      "version = b.version + s.step",
      "version = b.version + 1",
    ],
    [
      "a line tells the balance before it",
      "balance_after = b.accrual + s.earned",
      "balance_after = b.accrual",
    ],
    [
      "a settled order goes on being unknown",
      "unknown_since = CASE s.answer WHEN 'NOT_REGISTERED' THEN a.unknown_since END,\n           updated",
      "updated",
    ],
    [
      "an UNREGISTERED order forgets since when it is unknown",
      "unknown_since = CASE s.answer WHEN 'NOT_REGISTERED' THEN a.unknown_since END,\n           updated",
      "unknown_since = NULL,\n           updated",
    ],
    [
      "a settled order was not changed by it",
      "END,\n           updated_at = clock_timestamp()",
      "END",
    ],
    [
      "the balance's version is raised by one for several",
      "version = b.version + c.steps",
      "version = b.version + 1",
    ],
    [
      "UNREGISTERED counts as a verdict",
      "count(*) FILTER (WHERE answer <> 'NOT_REGISTERED')",
      "count(*)",
    ],
    [
      "an answer that is not final does not end the grace time",
      "IF p_answers && ARRAY['NOT_FINAL', 'NOT_REGISTERED'] THEN",
      "IF p_answers && ARRAY['NOT_REGISTERED'] THEN",
    ],
    [
      "each 204 begins the grace time",
      "(i.answer = 'NOT_REGISTERED' AND a.unknown_since IS NULL)",
      "(i.answer = 'NOT_REGISTERED')",
    ],
    [
      "a 204 about a settled order is kept",
      "     WHERE a.order_id = i.order_id\n       AND a.status = 'PROCESSING'\n       AND ((i.answer",
      "     WHERE a.order_id = i.order_id\n       AND ((i.answer",
    ],
    [
      "a contradiction is recorded without its lock",
      "         AND a.user_id = ANY (v_locked_users)\n",
      "",
    ],
    [
      "an order that nobody uploaded is contradicted",
      "AND a.status NOT IN ('NEW', 'PROCESSING')",
      "AND a.status <> 'PROCESSING'",
    ],
    [
      "an order that waits is contradicted",
      "AND a.status NOT IN ('NEW', 'PROCESSING')",
      "AND a.status <> 'NEW'",
    ],
    [
      "another value contradicts nothing",
      "AND (a.status <> i.answer::accrual_status OR a.value <> i.hundredths / 100.0)",
      "AND a.status <> i.answer::accrual_status",
    ],
    [
      "a contradicting value loses its hundredths",
      "WHEN 'PROCESSED' THEN i.hundredths / 100.0 END",
      "WHEN 'PROCESSED' THEN i.hundredths / 100 END",
    ],
    [
      "of several contradictions in a call the first one is kept",
      "ORDER BY order_id, position DESC",
      "ORDER BY order_id, position",
    ],
    ["several contradictions in a call count as one", "count(*) OVER (PARTITION BY order_id)", "1"],
    [
      "a clock that was set back sets back when a contradiction was seen last",
      "greatest(c.last_seen_at, excluded.last_seen_at)",
      "excluded.last_seen_at",
    ],
    [
      "an order that nobody uploaded is told to be settled",
      "WHEN a.order_id IS NULL OR a.status = 'NEW' THEN",
      "WHEN a.order_id IS NULL THEN",
    ],
    [
      "an order whose balance is not needed is told to be locked",
      "WHEN o.user_id = ANY (v_users) AND o.user_id <> ALL",
      "WHEN o.user_id <> ALL",
    ],
    [
      "the age of an order is told in seconds",
      "clock_timestamp() - o.uploaded_at) * 1000)",
      "clock_timestamp() - o.uploaded_at))",
    ],
    [
      "outcomes are not in the order of the answers",
      "LEFT JOIN orders o ON o.id = i.order_id\n     ORDER BY i.position;",
      "LEFT JOIN orders o ON o.id = i.order_id\n     ORDER BY i.position DESC;",
    ],
  ],
)
