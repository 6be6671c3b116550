-- CreateTable
CREATE TABLE "scoring_pace" (
    "id" BOOLEAN NOT NULL DEFAULT true,
    "limit_per_minute" DOUBLE PRECISION,
    "is_confirmed" BOOLEAN NOT NULL DEFAULT false,
    "is_climbing" BOOLEAN NOT NULL DEFAULT false,
    "window_began_at" TIMESTAMPTZ(6) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "calls" INTEGER NOT NULL DEFAULT 0,
    "windows_held" INTEGER NOT NULL DEFAULT 0,
    "climbs" INTEGER NOT NULL DEFAULT 0,
    "failed_probes" INTEGER NOT NULL DEFAULT 0,
    "guessed_calls" INTEGER NOT NULL DEFAULT 0,
    "guessed_over_ms" DOUBLE PRECISION,
    "answer_ms" DOUBLE PRECISION NOT NULL DEFAULT 0,
    "down_since" TIMESTAMPTZ(6),
    "recovered_at" TIMESTAMPTZ(6),
    "version" BIGINT NOT NULL DEFAULT 0,

    CONSTRAINT "scoring_pace_pkey" PRIMARY KEY ("id")
);

-- ── By hand from here on: what the schema language cannot say ───────────────────────────────

ALTER TABLE scoring_pace
  ADD CONSTRAINT scoring_pace_id_check CHECK (id),
  ADD CONSTRAINT scoring_pace_limit_per_minute_check CHECK (limit_per_minute > 0);
INSERT INTO scoring_pace DEFAULT VALUES;
