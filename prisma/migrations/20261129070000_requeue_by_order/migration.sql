-- By itself and CONCURRENTLY, so that nobody waits for it. Requeue reads a part of it at a time, also
-- where many leases end in one instant.
CREATE INDEX CONCURRENTLY accruals_requeue_at_order_id_idx ON accruals (requeue_at, order_id)
  WHERE status = 'PROCESSING';
