-- Applies the scoring system's valid answers. The worker calls it with a batch of answers.
--
-- Arguments: p_numbers, p_answers and p_hundredths are parallel arrays, one answer at each position. The
-- scoring system and this database both know an order by its number, so that names it here. An answer is
-- PROCESSED (with its points in hundredths), INVALID, NOT_FINAL or NOT_REGISTERED. p_grace_ms is the grace
-- time: an order that the scoring system has not known for that long, by this database's clock, is settled
-- as UNREGISTERED.
--
-- Result: one row for each answer, in the order of the answers.
--   settled           this answer settled the order
--   waiting           the order is still PROCESSING: poll it again
--   locked            another session held the user's balance for longer than lock_timeout; not settled
--   already_settled   the order was settled before; this answer changes nothing
--   contradicted      the order was settled before by a different verdict, which stays; this one is recorded
--                     in contradictions
--   not_awaited       there is no such order, or nobody uploaded it
--   age_ms            time since the upload was accepted; null if nobody uploaded the order
--   unknown_ms        time since the scoring system first said that it does not know the order; else null
-- If one call has several verdicts for one order, the first PROCESSED or INVALID counts.
--
-- State: PROCESSING becomes PROCESSED, INVALID or UNREGISTERED; UNREGISTERED is a guess, which a later
-- PROCESSED or INVALID replaces; PROCESSED and INVALID never change. Each balance grows by what its settled
-- orders are worth, and its version by one for each of them. The first NOT_REGISTERED sets unknown_since,
-- NOT_FINAL clears it.
--
-- Locks, in this order: balances of the users whose orders may be settled, by user id; accruals by order id;
-- contradictions by order id. Only the holder of an order's accrual writes its contradiction, so nobody
-- waits there. If a balance is not free within lock_timeout, the call goes on with the balances that are.
--
-- Repeating a call is safe: an order that is settled gives already_settled.
CREATE OR REPLACE FUNCTION settle_accruals(
  p_numbers text[], p_answers text[], p_hundredths bigint[], p_grace_ms bigint)
RETURNS TABLE (outcome text, age_ms bigint, unknown_ms bigint)
LANGUAGE plpgsql VOLATILE
SET lock_timeout = '1s'
SET enable_seqscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
AS $$
DECLARE
  -- now() is from before any lock wait, clock_timestamp() from after: an order may be taken to be
  -- unknown for a little less long than it is, never for longer.
  v_unknown_before timestamptz := now() - p_grace_ms * interval '1 millisecond';
  v_order_ids bigint[];
  v_users bigint[];
  v_locked_users bigint[];
  v_settled bigint[];
  -- How many of them by a real verdict.
  v_verdicts bigint;
  v_contradicting bigint[] := '{}';
  v_seen_at timestamptz;
BEGIN
  SELECT array_agg(o.id ORDER BY i.position) INTO v_order_ids
    FROM unnest(p_numbers) WITH ORDINALITY AS i (number, position)
    LEFT JOIN orders o ON o.number = i.number;
  -- The users whose orders these answers may settle.
  SELECT coalesce(array_agg(DISTINCT o.user_id), '{}') INTO v_users
    FROM unnest(v_order_ids, p_answers) AS i (order_id, answer)
    JOIN orders o ON o.id = i.order_id
    JOIN accruals a ON a.order_id = i.order_id
   WHERE i.answer IN ('PROCESSED', 'INVALID')
      OR (i.answer = 'NOT_REGISTERED' AND a.unknown_since <= v_unknown_before);
  BEGIN
    PERFORM FROM user_balances b
      WHERE b.user_id = ANY (v_users)
      ORDER BY b.user_id
        FOR NO KEY UPDATE;
    v_locked_users := v_users;
  EXCEPTION WHEN lock_not_available THEN
    -- Somebody holds one of the balances: the others' orders do not wait for it.
    SELECT coalesce(array_agg(l.user_id), '{}') INTO v_locked_users
      FROM (SELECT b.user_id FROM user_balances b
             WHERE b.user_id = ANY (v_users)
             ORDER BY b.user_id
               FOR NO KEY UPDATE SKIP LOCKED) l;
  END;
  PERFORM FROM accruals a
    WHERE a.order_id = ANY (v_order_ids)
    ORDER BY a.order_id
      FOR NO KEY UPDATE;

  WITH verdicts AS (
    -- Of several verdicts on one order in one call the first real one counts.
    SELECT DISTINCT ON (i.order_id)
           i.order_id, o.user_id, i.answer, i.position, coalesce(i.hundredths, 0) / 100.0 AS value
      FROM unnest(v_order_ids, p_answers, p_hundredths)
           WITH ORDINALITY AS i (order_id, answer, hundredths, position)
      JOIN orders o ON o.id = i.order_id
      JOIN accruals a ON a.order_id = i.order_id
     WHERE o.user_id = ANY (v_locked_users)
       AND ((i.answer IN ('PROCESSED', 'INVALID') AND a.status IN ('PROCESSING', 'UNREGISTERED'))
         OR (i.answer = 'NOT_REGISTERED' AND a.status = 'PROCESSING'
             AND a.unknown_since <= v_unknown_before))
     ORDER BY i.order_id, i.answer = 'NOT_REGISTERED', i.position
  ), steps AS (
    SELECT v.*, row_number() OVER w AS step, sum(v.value) OVER w AS earned
      FROM verdicts v
    WINDOW w AS (PARTITION BY v.user_id ORDER BY v.position)
  ), settled AS (
    UPDATE accruals a
       SET status = CASE s.answer WHEN 'NOT_REGISTERED' THEN 'UNREGISTERED'
                                  ELSE s.answer::accrual_status END,
           value = CASE s.answer WHEN 'PROCESSED' THEN s.value END,
           version = b.version + s.step,
           balance_after = b.accrual + s.earned,
           unknown_since = CASE s.answer WHEN 'NOT_REGISTERED' THEN a.unknown_since END,
           updated_at = clock_timestamp()
      FROM steps s
      JOIN user_balances b ON b.user_id = s.user_id
     WHERE a.order_id = s.order_id
    RETURNING s.position, s.answer
  ), credited AS (
    UPDATE user_balances b
       SET accrual = b.accrual + c.earned, version = b.version + c.steps
      FROM (SELECT user_id, sum(value) AS earned, count(*) AS steps FROM steps GROUP BY user_id) c
     WHERE b.user_id = c.user_id
  )
  SELECT coalesce(array_agg(position), '{}'), count(*) FILTER (WHERE answer <> 'NOT_REGISTERED')
    INTO v_settled, v_verdicts
    FROM settled;

  IF p_answers && ARRAY['NOT_FINAL', 'NOT_REGISTERED'] THEN
    UPDATE accruals a
       SET unknown_since = CASE i.answer WHEN 'NOT_REGISTERED' THEN clock_timestamp() END
      FROM unnest(v_order_ids, p_answers) AS i (order_id, answer)
     WHERE a.order_id = i.order_id
       AND a.status = 'PROCESSING'
       AND ((i.answer = 'NOT_REGISTERED' AND a.unknown_since IS NULL)
         OR (i.answer = 'NOT_FINAL' AND a.unknown_since IS NOT NULL));
  END IF;

  -- Nearly always each verdict settled its order, and no table is looked into.
  IF v_verdicts < (SELECT count(*) FROM unnest(p_answers) AS i (answer)
                    WHERE i.answer IN ('PROCESSED', 'INVALID')) THEN
    v_seen_at := clock_timestamp();
    WITH contradicting AS (
      SELECT i.order_id, i.answer::accrual_status AS status, i.position,
             CASE i.answer WHEN 'PROCESSED' THEN i.hundredths / 100.0 END AS value
        FROM unnest(v_order_ids, p_answers, p_hundredths)
             WITH ORDINALITY AS i (order_id, answer, hundredths, position)
        JOIN accruals a ON a.order_id = i.order_id
       WHERE i.answer IN ('PROCESSED', 'INVALID')
         AND a.user_id = ANY (v_locked_users)
         AND a.status NOT IN ('NEW', 'PROCESSING')
         AND (a.status <> i.answer::accrual_status OR a.value <> i.hundredths / 100.0)
    ), recorded AS (
      INSERT INTO contradictions AS c
             (order_id, status, value, first_seen_at, last_seen_at, times)
      -- Of several in one call the last one counts.
      SELECT DISTINCT ON (order_id) order_id, status, value, v_seen_at, v_seen_at,
             count(*) OVER (PARTITION BY order_id)
        FROM contradicting
       ORDER BY order_id, position DESC
          ON CONFLICT (order_id) DO UPDATE
         SET status = excluded.status, value = excluded.value, times = c.times + excluded.times,
             -- A clock that was set back must not fail a settlement.
             last_seen_at = greatest(c.last_seen_at, excluded.last_seen_at)
    )
    SELECT coalesce(array_agg(position), '{}') INTO v_contradicting FROM contradicting;
  END IF;

  RETURN QUERY
    SELECT CASE
             WHEN i.position = ANY (v_settled) THEN 'settled'
             WHEN a.order_id IS NULL OR a.status = 'NEW' THEN 'not_awaited'
             WHEN o.user_id = ANY (v_users) AND o.user_id <> ALL (v_locked_users) THEN 'locked'
             WHEN a.status = 'PROCESSING' THEN 'waiting'
             WHEN i.position = ANY (v_contradicting) THEN 'contradicted'
             ELSE 'already_settled'
           END,
           (extract(epoch FROM clock_timestamp() - o.uploaded_at) * 1000)::bigint,
           (extract(epoch FROM clock_timestamp() - a.unknown_since) * 1000)::bigint
      FROM unnest(v_order_ids, p_answers, p_hundredths)
           WITH ORDINALITY AS i (order_id, answer, hundredths, position)
      LEFT JOIN accruals a ON a.order_id = i.order_id
      LEFT JOIN orders o ON o.id = i.order_id
     ORDER BY i.position;
END;
$$;
