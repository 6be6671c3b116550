-- AlterTable
ALTER TABLE "accruals" ADD COLUMN "user_id" BIGINT;
UPDATE accruals a SET user_id = o.user_id FROM orders o WHERE o.id = a.order_id;
ALTER TABLE "accruals" ALTER COLUMN "user_id" SET NOT NULL;

-- CreateTable
CREATE TABLE "throttles" (
    "key" VARCHAR(255) NOT NULL,
    "points" INTEGER NOT NULL,
    "expire" BIGINT,

    CONSTRAINT "throttles_pkey" PRIMARY KEY ("key")
);

-- CreateIndex
CREATE UNIQUE INDEX "accruals_user_id_version_key" ON "accruals"("user_id", "version");

-- ── By hand from here on: what the schema language cannot say ───────────────────────────────

-- Losing the counts in a crash costs nothing but the counts; not logging them makes them cheap.
ALTER TABLE throttles SET UNLOGGED;

-- A call of the functions as they were, which waited for this migration, does not name the user.
CREATE FUNCTION name_accruals_user() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  SELECT user_id INTO NEW.user_id FROM orders WHERE id = NEW.order_id;
  RETURN NEW;
END;
$$;
CREATE TRIGGER accruals_user_id BEFORE INSERT ON accruals
  FOR EACH ROW WHEN (NEW.user_id IS NULL) EXECUTE FUNCTION name_accruals_user();

-- As before, with the user's id on the accrual.
CREATE OR REPLACE FUNCTION record_orders(p_user_ids bigint[], p_numbers text[], p_lease_ms bigint)
RETURNS TABLE (outcome text)
LANGUAGE plpgsql VOLATILE
SET lock_timeout = '1s'
SET enable_seqscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
AS $$
DECLARE
  v_lease_end timestamptz := now() + p_lease_ms * interval '1 millisecond';
  v_opened bigint[];
  v_owned bigint[];
  v_reopened bigint[];
BEGIN
  WITH inserted AS (
    INSERT INTO orders (user_id, number, uploaded_at)
    SELECT DISTINCT ON (i.number COLLATE "C") i.user_id, i.number, clock_timestamp()
      FROM unnest(p_user_ids, p_numbers) WITH ORDINALITY AS i (user_id, number, position)
      JOIN users u ON u.id = i.user_id
     ORDER BY i.number COLLATE "C", i.position
        ON CONFLICT (number) DO NOTHING
    RETURNING id, user_id
  ), awaited AS (
    INSERT INTO accruals (order_id, user_id, status, requeue_at)
    SELECT id, user_id, 'PROCESSING', v_lease_end FROM inserted
  )
  SELECT coalesce(array_agg(id), '{}') INTO v_opened FROM inserted;

  IF cardinality(v_opened) < cardinality(p_numbers) THEN
    SELECT coalesce(array_agg(o.id), '{}') INTO v_owned
      FROM unnest(p_user_ids, p_numbers) AS i (user_id, number)
      JOIN orders o ON o.number = i.number AND o.user_id = i.user_id;
    PERFORM FROM accruals a
      WHERE a.order_id = ANY (v_owned)
        AND a.status IN ('NEW', 'UNREGISTERED')
      ORDER BY a.order_id
        FOR NO KEY UPDATE;
    WITH reopened AS (
      UPDATE accruals a
         SET status = 'PROCESSING', version = NULL, balance_after = NULL, unknown_since = NULL,
             requeue_at = v_lease_end, updated_at = clock_timestamp()
       WHERE a.order_id = ANY (v_owned)
         AND a.status IN ('NEW', 'UNREGISTERED')
      RETURNING a.order_id AS id
    ), uploaded AS (
      UPDATE orders o SET uploaded_at = clock_timestamp() FROM reopened r WHERE o.id = r.id
    )
    SELECT coalesce(array_agg(id), '{}') INTO v_reopened FROM reopened;
    v_opened := v_opened || v_reopened;
  END IF;

  -- The same number twice in one call has one winner: the first of its owner's.
  RETURN QUERY
    SELECT CASE
             WHEN u.id IS NULL THEN 'no_user'
             WHEN o.user_id <> i.user_id THEN 'taken'
             WHEN o.id = ANY (v_opened)
              AND i.position = min(i.position) OVER (PARTITION BY i.number, i.user_id)
               THEN 'accepted'
             ELSE 'already_uploaded'
           END
      FROM unnest(p_user_ids, p_numbers) WITH ORDINALITY AS i (user_id, number, position)
      LEFT JOIN users u ON u.id = i.user_id
      LEFT JOIN orders o ON o.number = i.number
     ORDER BY i.position;
END;
$$;

-- As before, with the user's id on the accrual.
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
