-- By itself, because it reads the whole table: alone it blocks nobody who reads or writes.
ALTER TABLE orders VALIDATE CONSTRAINT orders_number_check;
