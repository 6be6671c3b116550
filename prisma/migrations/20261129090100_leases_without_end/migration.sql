-- What was written before the CHECK: such an order is asked about now. In batches that are committed one by
-- one, so that no settlement waits for them; what is left when it breaks off is there when it is repeated.
DO $$
BEGIN
  LOOP
    UPDATE accruals SET requeue_at = now()
     WHERE order_id = ANY (ARRAY(
             SELECT order_id FROM accruals
              WHERE status = 'PROCESSING'
                AND (requeue_at < '0001-01-01 00:00:00Z'::timestamptz
                  OR requeue_at > '9999-12-31 23:59:59Z'::timestamptz)
              LIMIT 1000));
    EXIT WHEN NOT FOUND;
    COMMIT;
  END LOOP;
END;
$$;
