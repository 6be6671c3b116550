-- Trigger function: fills accruals.user_id from the order when an INSERT leaves it out. The trigger
-- accruals_user_id calls it before the insert.
--
-- accruals.user_id came later than the table. A call of record_orders or withdraw that began before that
-- migration and waited for it runs the body from before, which does not set the column.
--
-- Locks: none. It reads the order that the accrual's insert refers to.
CREATE OR REPLACE FUNCTION name_accruals_user()
RETURNS trigger
LANGUAGE plpgsql VOLATILE
AS $$
BEGIN
  SELECT user_id INTO NEW.user_id FROM orders WHERE id = NEW.order_id;
  RETURN NEW;
END;
$$;
