-- AlterTable
ALTER TABLE "users" ALTER COLUMN "tokens_valid_from" SET DEFAULT date_trunc('milliseconds'::text, CURRENT_TIMESTAMP);

-- ── By hand from here on: what the schema language cannot say ───────────────────────────────

-- No token is older than its user. One that is was another user's, of the same id, before a backup was
-- restored.
UPDATE users SET tokens_valid_from = date_trunc('milliseconds', created_at)
 WHERE tokens_valid_from < created_at - interval '1 millisecond';
