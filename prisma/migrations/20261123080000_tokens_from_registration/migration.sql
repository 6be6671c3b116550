-- No token is older than its user. One that is was another user's, of the same id, before a backup was
-- restored. Users who are there already keep what they have: their ids were never anybody else's.

-- AlterTable
ALTER TABLE "users" ALTER COLUMN "tokens_valid_from" SET DEFAULT date_trunc('milliseconds'::text, CURRENT_TIMESTAMP);
