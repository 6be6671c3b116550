-- By itself, because it reads the whole table (0.2 s for a million orders), and uploads wait for it;
-- they would also wait behind it for somebody who reads for long.
SET LOCAL lock_timeout = '5s';

-- When an order was settled is its accrual's updated_at, and it is looked for by that when an operator
-- has settled orders asked about again: a page of a hundred in ten seconds at the most. What would be
-- paid for that with every settlement decides. In batches of 256 (µs an order are those of the
-- function alone, the machine's own noise is ± 5):
--
--                                   µs    WAL, B    kept, B an order    a page of a day's orders
--   no index                        38    1,369     0                   the whole table: 0.2 s a million
--   BRIN on updated_at              39    1,410     0.06                4 ms, of two million
--   B-tree on updated_at, order_id  42    1,491     30                  0.1 ms
--
-- A row's new version lies beside those of its time, except where vacuum made room; more blocks are
-- read then.

-- CreateIndex
CREATE INDEX "accruals_updated_at_idx" ON "accruals" USING BRIN ("updated_at");

-- ── By hand from here on: what the schema language cannot say ───────────────────────────────

-- So that new blocks need not wait for a vacuum to be told apart.
ALTER INDEX accruals_updated_at_idx SET (autosummarize = on);
