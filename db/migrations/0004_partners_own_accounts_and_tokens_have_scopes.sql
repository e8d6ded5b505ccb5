DROP INDEX "accounts_external_id_key";--> statement-breakpoint
ALTER TABLE "access_tokens" ADD COLUMN "scopes" text[] DEFAULT '{}' NOT NULL;--> statement-breakpoint
ALTER TABLE "access_tokens" ADD COLUMN "allowed_addresses" text[];--> statement-breakpoint
ALTER TABLE "accounts" ADD COLUMN "kind" text DEFAULT 'customer' NOT NULL;--> statement-breakpoint
ALTER TABLE "accounts" ADD COLUMN "partner_id" uuid;--> statement-breakpoint
ALTER TABLE "accounts" ADD COLUMN "metadata" jsonb DEFAULT '{}'::jsonb NOT NULL;--> statement-breakpoint
ALTER TABLE "accounts" ADD COLUMN "api_key_limit" integer;--> statement-breakpoint
ALTER TABLE "accounts" ADD COLUMN "suspended_by" text;--> statement-breakpoint
ALTER TABLE "accounts" ADD CONSTRAINT "accounts_partner_id_accounts_id_fk" FOREIGN KEY ("partner_id") REFERENCES "public"."accounts"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "accounts_partner_idx" ON "accounts" USING btree ("partner_id","id");--> statement-breakpoint
CREATE INDEX "accounts_metadata_idx" ON "accounts" USING gin ("metadata" jsonb_path_ops);--> statement-breakpoint
CREATE INDEX "api_keys_metadata_idx" ON "api_keys" USING gin ("metadata" jsonb_path_ops);--> statement-breakpoint
CREATE UNIQUE INDEX "accounts_external_id_key" ON "accounts" USING btree (coalesce("partner_id", '00000000-0000-0000-0000-000000000000'::uuid),"external_id");--> statement-breakpoint
ALTER TABLE "accounts" ADD CONSTRAINT "accounts_suspended_by_known" CHECK ("accounts"."suspended_by" in ('operator', 'partner'));--> statement-breakpoint
ALTER TABLE "accounts" ADD CONSTRAINT "accounts_kind_known" CHECK ("accounts"."kind" in ('customer', 'partner'));--> statement-breakpoint
ALTER TABLE "accounts" ADD CONSTRAINT "accounts_partner_owns" CHECK ("accounts"."kind" = 'customer' or "accounts"."partner_id" is null);--> statement-breakpoint
ALTER TABLE "accounts" ADD CONSTRAINT "accounts_api_key_limit_positive" CHECK ("accounts"."api_key_limit" > 0);--> statement-breakpoint
UPDATE "access_tokens" SET "scopes" = array['accounts:read','accounts:write','keys:read','keys:write','usage:read','billing:read','billing:write','members:read','members:write','tokens:read','tokens:write','audit:read'] WHERE "kind" = 'management';
