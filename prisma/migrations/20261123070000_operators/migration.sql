-- CreateTable
CREATE TABLE "accrual_backlog" (
    "id" BOOLEAN NOT NULL DEFAULT true,
    "due" INTEGER NOT NULL,
    "oldest_due_at" TIMESTAMPTZ(6),
    "sampled_at" TIMESTAMPTZ(6) NOT NULL,

    CONSTRAINT "accrual_backlog_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "ledger_check" (
    "id" BOOLEAN NOT NULL DEFAULT true,
    "due_at" TIMESTAMPTZ(6) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "after_user_id" BIGINT NOT NULL DEFAULT 0,
    "users" INTEGER NOT NULL DEFAULT 0,
    "discrepancies" INTEGER NOT NULL DEFAULT 0,
    "last_users" INTEGER,
    "last_discrepancies" INTEGER,
    "last_ended_at" TIMESTAMPTZ(6),

    CONSTRAINT "ledger_check_pkey" PRIMARY KEY ("id")
);

-- ── By hand from here on: what the schema language cannot say ───────────────────────────────

ALTER TABLE accrual_backlog ADD CONSTRAINT accrual_backlog_id_check CHECK (id);
ALTER TABLE ledger_check ADD CONSTRAINT ledger_check_id_check CHECK (id);
INSERT INTO ledger_check DEFAULT VALUES;

-- How many orders could be asked about right now if there were more workers, and for how long the
-- longest of them has waited: what an autoscaler looks at. Nobody may ask during a pause. A sample
-- that is old says that nobody is there to take one: then every unfinished order counts.
CREATE VIEW autoscaling_signal AS
SELECT CASE WHEN p.is_on THEN 0 WHEN b.due IS NOT NULL THEN b.due
            ELSE (SELECT count(*) FROM accruals WHERE status = 'PROCESSING') END::int AS due_orders,
       CASE WHEN p.is_on THEN 0 WHEN b.due IS NOT NULL
              THEN coalesce(extract(epoch FROM clock_timestamp() - b.oldest_due_at), 0)
            ELSE (SELECT coalesce(extract(epoch FROM clock_timestamp() - min(updated_at)), 0)
                    FROM accruals WHERE status = 'PROCESSING') END::float8 AS oldest_due_seconds
  FROM (SELECT EXISTS (SELECT FROM scoring_pause
                        WHERE paused_until > clock_timestamp()) AS is_on) p
  LEFT JOIN accrual_backlog b ON b.sampled_at > clock_timestamp() - interval '2 minutes';
