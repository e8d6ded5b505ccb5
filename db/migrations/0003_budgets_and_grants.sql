CREATE TABLE "usage_budgets" (
	"wallet" text PRIMARY KEY NOT NULL,
	"api_key_id" uuid NOT NULL,
	"period" text NOT NULL,
	"spent_nano" bigint NOT NULL,
	"sequence" bigint NOT NULL
);
--> statement-breakpoint
CREATE TABLE "usage_excesses" (
	"request_id" uuid PRIMARY KEY NOT NULL,
	"account_id" uuid NOT NULL,
	"api_key_id" uuid NOT NULL,
	"excess_nano" bigint NOT NULL
);
--> statement-breakpoint
CREATE TABLE "usage_spool_budgets" (
	"spool_id" text NOT NULL,
	"wallet" text NOT NULL,
	"settled_nano" bigint NOT NULL,
	CONSTRAINT "usage_spool_budgets_spool_id_wallet_pk" PRIMARY KEY("spool_id","wallet")
);
--> statement-breakpoint
CREATE TABLE "usage_spool_grants" (
	"spool_id" text NOT NULL,
	"wallet" text NOT NULL,
	"granted_nano" bigint NOT NULL,
	"returned_nano" bigint NOT NULL,
	CONSTRAINT "usage_spool_grants_spool_id_wallet_pk" PRIMARY KEY("spool_id","wallet")
);
--> statement-breakpoint
CREATE INDEX "usage_budgets_key_idx" ON "usage_budgets" USING btree ("api_key_id","period");--> statement-breakpoint
CREATE INDEX "usage_budgets_period_idx" ON "usage_budgets" USING btree ("period");--> statement-breakpoint
CREATE INDEX "usage_excesses_account_idx" ON "usage_excesses" USING btree ("account_id","request_id");