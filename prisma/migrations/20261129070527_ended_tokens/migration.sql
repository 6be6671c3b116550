-- CreateTable
CREATE TABLE "ended_tokens" (
    "hash" TEXT NOT NULL,
    "expires_at" timestamptz(6) NOT NULL,

    CONSTRAINT "ended_tokens_pkey" PRIMARY KEY ("hash")
);

-- CreateIndex
CREATE INDEX "ended_tokens_expires_at_idx" ON "ended_tokens"("expires_at");
