-- An instant is read as microseconds since 1970, and one that is infinite, or further off than that number
-- reaches, stopped requeue for all orders. NOT VALID, so that the table is not read while everybody waits;
-- only of an order that is polled, so that one that has such a lease already can be settled.
ALTER TABLE accruals
  ADD CONSTRAINT accruals_requeue_at_check
    CHECK (status <> 'PROCESSING' OR requeue_at BETWEEN '0001-01-01 00:00:00Z'::timestamptz
                                                    AND '9999-12-31 23:59:59Z'::timestamptz)
    NOT VALID;
