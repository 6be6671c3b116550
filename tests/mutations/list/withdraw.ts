import { mutationsOf } from "../mutation.ts"
import { ledgerRuns } from "../test-runs.ts"

export const withdrawMutations = mutationsOf(
  { sqlFunction: "withdraw" },
  ledgerRuns(
    ["ledger/locks", "ledger/withdraw"],
    [
      "api/balance",
      "api/events",
      "api/idempotency",
      "ledger/record-orders",
      "ledger/settle-accruals",
      "system/locked-balance",
    ],
  ),
  [
    ["it waits for a lock for as long as it takes", "SET lock_timeout = '1s'\n", ""],
    ["hundredths are cut off", "p_hundredths / 100.0", "p_hundredths / 100"],
    [
      "the balance is not locked",
      "WHERE user_id = p_user_id FOR NO KEY UPDATE;",
      "WHERE user_id = p_user_id;",
    ],
    [
      "a key is every user's",
      "w.user_id = p_user_id AND w.idempotency_key = p_key",
      "w.idempotency_key = p_key",
    ],
    [
      "a key that was used is not looked up",
      "IF FOUND THEN\n    RETURN CASE",
      "IF false THEN\n    RETURN CASE",
    ],
    [
      "a key stands for any sum",
      "v_earlier.value = v_value AND v_earlier.number = p_number",
      "v_earlier.number = p_number",
    ],
    [
      "a key stands for any order",
      "v_earlier.value = v_value AND v_earlier.number = p_number",
      "v_earlier.value = v_value",
    ],
    [
      "another user's order may be paid",
      "IF FOUND AND v_order.user_id <> p_user_id OR NOT FOUND AND p_owned_only THEN",
      "IF NOT FOUND AND p_owned_only THEN",
    ],
    [
      "a number that nobody uploaded may always be paid",
      "OR NOT FOUND AND p_owned_only THEN",
      "THEN",
    ],
    [
      "who has too little is told so of another user's order",
      "  IF FOUND AND v_order.user_id <> p_user_id OR",
      "  IF FOUND AND v_order.user_id <> p_user_id AND v_balance.accrual >= v_value OR",
    ],
    [
      "all of a balance cannot be spent",
      "v_balance.accrual < v_value",
      "v_balance.accrual <= v_value",
    ],
    [
      "more than the balance may be spent, but for the table's check",
      "IF v_balance.accrual < v_value THEN",
      "IF false THEN",
    ],
    [
      "a number that is uploaded meanwhile fails the call",
      "        ON CONFLICT (number) DO NOTHING\n",
      "",
    ],
    [
      "a number that another user uploads meanwhile is paid",
      "      IF v_order.user_id <> p_user_id THEN",
      "      IF false THEN",
    ],
    [
      "the order that it names counts as uploaded",
      "p_user_id, 'NEW', now()",
      "p_user_id, 'PROCESSING', now()",
    ],
    [
      "the order that it names has a time of its upload",
      "INSERT INTO orders (user_id, number) VALUES (p_user_id, p_number)",
      "INSERT INTO orders (user_id, number, uploaded_at) VALUES (p_user_id, p_number, now())",
    ],
    [
      "the order that it names has no accrual",
      "    IF FOUND THEN\n      INSERT INTO accruals (order_id, user_id, status, requeue_at)\n      VALUES (v_order.id, p_user_id, 'NEW', now());",
      "    IF FOUND THEN",
    ],
    ["the sum spent stays", "withdrawal = withdrawal + v_value, ", ""],
    ["the version stays", ", version = version + 1", ""],
    [
      "it tells the balance before it",
      "v_balance.version, v_balance.accrual, p_key",
      "v_balance.version, v_balance.accrual + v_value, p_key",
    ],
    ["its time is from before it waited", "     clock_timestamp());", "     now());"],
  ],
)
