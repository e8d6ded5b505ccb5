CREATE TABLE "promotional_grants" (
	"id" uuid PRIMARY KEY NOT NULL,
	"account_id" uuid NOT NULL,
	"transaction_id" uuid NOT NULL,
	"amount_nano" bigint NOT NULL,
	"remaining_nano" bigint NOT NULL,
	"expires_at" timestamp (3) with time zone,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "promotional_grants_remaining_within" CHECK ("promotional_grants"."remaining_nano" >= 0 and "promotional_grants"."remaining_nano" <= "promotional_grants"."amount_nano")
);
--> statement-breakpoint
CREATE TABLE "reconciliations" (
	"id" uuid PRIMARY KEY NOT NULL,
	"started_at" timestamp (3) with time zone NOT NULL,
	"finished_at" timestamp (3) with time zone NOT NULL,
	"difference_count" integer NOT NULL,
	"differences" jsonb NOT NULL,
	"checked" jsonb NOT NULL
);
--> statement-breakpoint
CREATE TABLE "usage_dropped_settlements" (
	"settlement_id" uuid PRIMARY KEY NOT NULL,
	"cost_nano" bigint NOT NULL
);
--> statement-breakpoint
ALTER TABLE "price_versions" ADD COLUMN "service_tiers" jsonb DEFAULT '[]'::jsonb NOT NULL;--> statement-breakpoint
ALTER TABLE "price_versions" ADD COLUMN "per_tool_call_nano" jsonb DEFAULT '{}'::jsonb NOT NULL;--> statement-breakpoint
ALTER TABLE "usage_quarantine" ADD COLUMN "id" uuid DEFAULT gen_random_uuid() NOT NULL;--> statement-breakpoint
ALTER TABLE "usage_quarantine" ADD COLUMN "resolved_at" timestamp (3) with time zone;--> statement-breakpoint
ALTER TABLE "usage_quarantine" ADD COLUMN "resolution" text;--> statement-breakpoint
ALTER TABLE "usage_records" ADD COLUMN "service_tier" text;--> statement-breakpoint
ALTER TABLE "usage_records" ADD COLUMN "server_tools" jsonb;--> statement-breakpoint
ALTER TABLE "promotional_grants" ADD CONSTRAINT "promotional_grants_account_id_accounts_id_fk" FOREIGN KEY ("account_id") REFERENCES "public"."accounts"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "promotional_grants" ADD CONSTRAINT "promotional_grants_transaction_id_ledger_transactions_id_fk" FOREIGN KEY ("transaction_id") REFERENCES "public"."ledger_transactions"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "promotional_grants_unspent_idx" ON "promotional_grants" USING btree ("account_id") WHERE "promotional_grants"."remaining_nano" > 0;--> statement-breakpoint
CREATE INDEX "promotional_grants_expiry_idx" ON "promotional_grants" USING btree ("expires_at") WHERE "promotional_grants"."remaining_nano" > 0;--> statement-breakpoint
CREATE UNIQUE INDEX "usage_quarantine_id_key" ON "usage_quarantine" USING btree ("id");--> statement-breakpoint
ALTER TABLE "usage_quarantine" ADD CONSTRAINT "usage_quarantine_resolution_whole" CHECK (("usage_quarantine"."resolved_at" is null) = ("usage_quarantine"."resolution" is null));