-- Records uploaded orders. The API calls it with a batch of uploads.
--
-- Arguments: p_user_ids and p_numbers are parallel arrays, one upload at each position. p_lease_ms is how
-- long requeue trusts that the job of an accepted order is in the queue.
--
-- Result: one row for each upload, in the order of the uploads.
--   accepted          the order is new, or it was this user's in NEW or UNREGISTERED and is open again
--   already_uploaded  this user uploaded it before; nothing written
--   taken             the order belongs to another user; nothing written
--   no_user           there is no such user; nothing written
-- If one call has the same number twice, the first upload by the order's owner wins.
--
-- State: an accepted order has an accrual in PROCESSING. An order that is open again gets a new upload time
-- and a new lease, loses its place in the history, and starts its grace time anew.
--
-- Locks, in this order: inserts by number; then the accruals to open again, by order id.
--
-- Repeating a call is safe: an order that is recorded gives already_uploaded.
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

  IF cardinality(v_opened) = cardinality(p_numbers) THEN
    RETURN QUERY SELECT 'accepted' FROM unnest(p_numbers);
    RETURN;
  END IF;

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
