-- Spends points against an order, all or nothing. The API calls it with one withdrawal.
--
-- Arguments: p_user_id spends p_hundredths (hundredths of a point) against the order p_number. p_key is the
-- idempotency key. p_owned_only: refuse a number that nobody uploaded. Otherwise it becomes this user's
-- order, in NEW.
--
-- Result: one outcome. Only withdrawn writes anything.
--   withdrawn         done
--   repeated          this withdrawal was done before under this key
--   key_reused        the key stands for another withdrawal of this user
--   not_owned         the order belongs to another user, or to nobody and p_owned_only is true
--   not_enough        the balance does not cover it
--   no_user           there is no such user
--
-- State: the balance falls and its withdrawn sum grows by the amount, its version grows by one, and the
-- withdrawal keeps the balance after it.
--
-- Locks, in this order: the user's balance; then at most one insert by number. It holds the balance while it
-- inserts, against the usual order, but waits for nothing after that: it cannot close a cycle.
--
-- Repeating a call with the same key is safe: it gives repeated.
CREATE OR REPLACE FUNCTION withdraw(
  p_user_id bigint, p_key text, p_number text, p_hundredths bigint, p_owned_only boolean)
RETURNS text
LANGUAGE plpgsql VOLATILE
SET lock_timeout = '1s'
SET enable_seqscan = off
AS $$
DECLARE
  v_value numeric(18, 2) := p_hundredths / 100.0;
  v_balance user_balances;
  v_earlier record;
  v_order record;
BEGIN
  SELECT * INTO v_balance FROM user_balances WHERE user_id = p_user_id FOR NO KEY UPDATE;
  IF NOT FOUND THEN
    RETURN 'no_user';
  END IF;

  SELECT w.value, o.number INTO v_earlier
    FROM withdrawals w
    JOIN orders o ON o.id = w.order_id
   WHERE w.user_id = p_user_id AND w.idempotency_key = p_key;
  IF FOUND THEN
    RETURN CASE WHEN v_earlier.value = v_value AND v_earlier.number = p_number
                THEN 'repeated' ELSE 'key_reused' END;
  END IF;

  SELECT id, user_id INTO v_order FROM orders WHERE number = p_number;
  IF FOUND AND v_order.user_id <> p_user_id OR NOT FOUND AND p_owned_only THEN
    RETURN 'not_owned';
  END IF;
  IF v_balance.accrual < v_value THEN
    RETURN 'not_enough';
  END IF;

  IF v_order.id IS NULL THEN
    INSERT INTO orders (user_id, number) VALUES (p_user_id, p_number)
        ON CONFLICT (number) DO NOTHING
    RETURNING id, user_id INTO v_order;
    IF FOUND THEN
      INSERT INTO accruals (order_id, user_id, status, requeue_at)
      VALUES (v_order.id, p_user_id, 'NEW', now());
    ELSE
      -- Somebody's upload of the number committed while the insert waited for it.
      SELECT id, user_id INTO v_order FROM orders WHERE number = p_number;
      IF v_order.user_id <> p_user_id THEN
        RETURN 'not_owned';
      END IF;
    END IF;
  END IF;

  UPDATE user_balances
     SET accrual = accrual - v_value, withdrawal = withdrawal + v_value, version = version + 1
   WHERE user_id = p_user_id
  RETURNING * INTO v_balance;
  INSERT INTO withdrawals
    (order_id, user_id, value, version, balance_after, idempotency_key, created_at)
  VALUES
    (v_order.id, p_user_id, v_value, v_balance.version, v_balance.accrual, p_key,
     clock_timestamp());
  RETURN 'withdrawn';
END;
$$;
