-- The one before does all that this one did.
DROP INDEX CONCURRENTLY accruals_requeue_at_idx;
