ALTER TABLE "api_keys" ADD COLUMN "concurrency_limit" integer;--> statement-breakpoint
ALTER TABLE "api_keys" ADD COLUMN "budget_nano" bigint;--> statement-breakpoint
ALTER TABLE "api_keys" ADD COLUMN "budget_period" text DEFAULT 'none' NOT NULL;--> statement-breakpoint
ALTER TABLE "api_keys" ADD COLUMN "allowed_models" text[];--> statement-breakpoint
ALTER TABLE "api_keys" ADD COLUMN "allowed_addresses" text[];--> statement-breakpoint
ALTER TABLE "api_keys" ADD COLUMN "previous_digest" text;--> statement-breakpoint
ALTER TABLE "api_keys" ADD COLUMN "previous_valid_until" timestamp (3) with time zone;--> statement-breakpoint
ALTER TABLE "api_keys" ADD COLUMN "external_id" text;--> statement-breakpoint
ALTER TABLE "api_keys" ADD COLUMN "metadata" jsonb DEFAULT '{}'::jsonb NOT NULL;--> statement-breakpoint
ALTER TABLE "api_keys" ADD COLUMN "last_used_at" timestamp (3) with time zone;--> statement-breakpoint
CREATE UNIQUE INDEX "api_keys_previous_digest_key" ON "api_keys" USING btree ("previous_digest");--> statement-breakpoint
CREATE UNIQUE INDEX "api_keys_account_external_id_key" ON "api_keys" USING btree ("account_id","external_id");--> statement-breakpoint
ALTER TABLE "api_keys" ADD CONSTRAINT "api_keys_concurrency_positive" CHECK ("api_keys"."concurrency_limit" > 0);--> statement-breakpoint
ALTER TABLE "api_keys" ADD CONSTRAINT "api_keys_budget_positive" CHECK ("api_keys"."budget_nano" > 0);--> statement-breakpoint
ALTER TABLE "api_keys" ADD CONSTRAINT "api_keys_budget_period_known" CHECK ("api_keys"."budget_period" in ('none', 'day', 'week', 'month'));--> statement-breakpoint
ALTER TABLE "api_keys" ADD CONSTRAINT "api_keys_previous_secret_whole" CHECK (("api_keys"."previous_digest" is null) = ("api_keys"."previous_valid_until" is null));