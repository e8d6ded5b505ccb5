CREATE TABLE "access_tokens" (
	"id" uuid PRIMARY KEY NOT NULL,
	"kind" text NOT NULL,
	"account_id" uuid,
	"name" text NOT NULL,
	"digest" text NOT NULL,
	"expires_at" timestamp (3) with time zone,
	"revoked_at" timestamp (3) with time zone,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "access_tokens_kind_known" CHECK ("access_tokens"."kind" in ('operator', 'management')),
	CONSTRAINT "access_tokens_owner" CHECK (("access_tokens"."kind" = 'operator') = ("access_tokens"."account_id" is null))
);
--> statement-breakpoint
CREATE TABLE "accounts" (
	"id" uuid PRIMARY KEY NOT NULL,
	"name" text NOT NULL,
	"external_id" text,
	"status" text DEFAULT 'active' NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "accounts_status_known" CHECK ("accounts"."status" in ('active', 'suspended'))
);
--> statement-breakpoint
CREATE TABLE "idempotency_records" (
	"actor_id" uuid NOT NULL,
	"key" text NOT NULL,
	"mutation" text NOT NULL,
	"input_digest" text NOT NULL,
	"sealed_answer" text NOT NULL,
	"expires_at" timestamp (3) with time zone NOT NULL,
	CONSTRAINT "idempotency_records_actor_id_key_pk" PRIMARY KEY("actor_id","key")
);
--> statement-breakpoint
CREATE TABLE "api_keys" (
	"id" uuid PRIMARY KEY NOT NULL,
	"account_id" uuid NOT NULL,
	"name" text NOT NULL,
	"digest" text NOT NULL,
	"start" text NOT NULL,
	"last4" text NOT NULL,
	"status" text DEFAULT 'active' NOT NULL,
	"rpm_limit" integer NOT NULL,
	"tpm_limit" integer NOT NULL,
	"expires_at" timestamp (3) with time zone,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"deleted_at" timestamp (3) with time zone,
	CONSTRAINT "api_keys_status_known" CHECK ("api_keys"."status" in ('active', 'disabled', 'deleted')),
	CONSTRAINT "api_keys_limits_positive" CHECK ("api_keys"."rpm_limit" > 0 and "api_keys"."tpm_limit" > 0)
);
--> statement-breakpoint
CREATE TABLE "model_aliases" (
	"id" uuid PRIMARY KEY NOT NULL,
	"api_key_id" uuid NOT NULL,
	"alias" text NOT NULL,
	"kind" text NOT NULL,
	"model_id" text NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "model_aliases_kind_known" CHECK ("model_aliases"."kind" in ('exact', 'prefix'))
);
--> statement-breakpoint
CREATE TABLE "models" (
	"id" text PRIMARY KEY NOT NULL,
	"vendor" text NOT NULL,
	"author" text NOT NULL,
	"display_name" text NOT NULL,
	"family" text,
	"released_on" date NOT NULL,
	"context_tokens" integer,
	"max_output_tokens" integer,
	"input_modalities" text[] NOT NULL,
	"output_modalities" text[] NOT NULL,
	"capabilities" jsonb NOT NULL,
	"status" text NOT NULL,
	"provider_model" text NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "models_status_known" CHECK ("models"."status" in ('listed', 'hidden', 'retired'))
);
--> statement-breakpoint
CREATE TABLE "price_versions" (
	"id" uuid PRIMARY KEY NOT NULL,
	"model_id" text NOT NULL,
	"effective_at" timestamp (3) with time zone NOT NULL,
	"tiers" jsonb NOT NULL,
	"per_request_nano" bigint DEFAULT 0 NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "price_versions_per_request_not_negative" CHECK ("price_versions"."per_request_nano" >= 0)
);
--> statement-breakpoint
CREATE TABLE "routes" (
	"id" uuid PRIMARY KEY NOT NULL,
	"model_id" text NOT NULL,
	"upstream_id" uuid NOT NULL,
	"provider_model" text NOT NULL,
	"weight" integer DEFAULT 1 NOT NULL,
	"priority" integer DEFAULT 0 NOT NULL,
	CONSTRAINT "routes_weight_positive" CHECK ("routes"."weight" > 0)
);
--> statement-breakpoint
CREATE TABLE "upstreams" (
	"id" uuid PRIMARY KEY NOT NULL,
	"name" text NOT NULL,
	"vendor" text NOT NULL,
	"protocol" text NOT NULL,
	"base_url" text NOT NULL,
	"sealed_credential" text,
	"source" text NOT NULL,
	"enabled" boolean DEFAULT true NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "upstreams_protocol_known" CHECK ("upstreams"."protocol" in ('chat', 'responses', 'messages', 'gemini')),
	CONSTRAINT "upstreams_source_known" CHECK ("upstreams"."source" in ('environment', 'operator'))
);
--> statement-breakpoint
CREATE TABLE "config_changes" (
	"id" bigserial PRIMARY KEY NOT NULL,
	"entity" text NOT NULL,
	"entity_id" text NOT NULL,
	"sequence" bigint,
	"published_at" timestamp (3) with time zone,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "config_changes_entity_known" CHECK ("config_changes"."entity" in ('key', 'account', 'catalog'))
);
--> statement-breakpoint
CREATE TABLE "config_sequence" (
	"id" integer PRIMARY KEY NOT NULL,
	"sequence" bigint NOT NULL,
	CONSTRAINT "config_sequence_single" CHECK ("config_sequence"."id" = 1)
);
--> statement-breakpoint
CREATE TABLE "ledger_accounts" (
	"id" uuid PRIMARY KEY NOT NULL,
	"kind" text NOT NULL,
	"account_id" uuid,
	CONSTRAINT "ledger_accounts_owner" CHECK (("ledger_accounts"."kind" in ('customer_available', 'customer_promotional')) = ("ledger_accounts"."account_id" is not null))
);
--> statement-breakpoint
CREATE TABLE "ledger_balances" (
	"ledger_account_id" uuid PRIMARY KEY NOT NULL,
	"balance_nano" bigint NOT NULL,
	"sequence" bigint NOT NULL
);
--> statement-breakpoint
CREATE TABLE "ledger_entries" (
	"id" uuid PRIMARY KEY NOT NULL,
	"transaction_id" uuid NOT NULL,
	"ledger_account_id" uuid NOT NULL,
	"amount_nano" bigint NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "ledger_entries_not_zero" CHECK ("ledger_entries"."amount_nano" <> 0)
);
--> statement-breakpoint
CREATE TABLE "ledger_transactions" (
	"id" uuid PRIMARY KEY NOT NULL,
	"kind" text NOT NULL,
	"idempotency_key" text NOT NULL,
	"description" text NOT NULL,
	"metadata" jsonb DEFAULT '{}'::jsonb NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "usage_days" (
	"account_id" uuid NOT NULL,
	"day" date NOT NULL,
	"cost_nano" bigint NOT NULL,
	"prompt_tokens" bigint NOT NULL,
	"completion_tokens" bigint NOT NULL,
	"request_count" bigint NOT NULL,
	"success_count" bigint NOT NULL,
	CONSTRAINT "usage_days_account_id_day_pk" PRIMARY KEY("account_id","day")
);
--> statement-breakpoint
CREATE TABLE "usage_quarantine" (
	"spool_id" text NOT NULL,
	"sequence" bigint NOT NULL,
	"line" text NOT NULL,
	"reason" text NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "usage_quarantine_spool_id_sequence_pk" PRIMARY KEY("spool_id","sequence")
);
--> statement-breakpoint
CREATE TABLE "usage_records" (
	"request_id" uuid PRIMARY KEY NOT NULL,
	"account_id" uuid NOT NULL,
	"api_key_id" uuid NOT NULL,
	"occurred_at" timestamp (3) with time zone NOT NULL,
	"spool_id" text NOT NULL,
	"requested_model" text,
	"model_id" text,
	"alias" text,
	"dialect" text NOT NULL,
	"lane" text,
	"upstream" text,
	"sandbox" boolean NOT NULL,
	"stream" boolean NOT NULL,
	"status" text NOT NULL,
	"http_status" smallint NOT NULL,
	"error_code" text,
	"input_tokens" integer NOT NULL,
	"output_tokens" integer NOT NULL,
	"reasoning_tokens" integer NOT NULL,
	"cache_read_tokens" integer NOT NULL,
	"cache_write_5m_tokens" integer NOT NULL,
	"cache_write_1h_tokens" integer NOT NULL,
	"estimated" boolean NOT NULL,
	"price_version_id" uuid,
	"cost_nano" bigint NOT NULL,
	"latency_ms" integer NOT NULL,
	"first_token_ms" integer,
	"end_user" text,
	"request_count" integer NOT NULL,
	"settlement_id" uuid
) PARTITION BY RANGE ("request_id");
--> statement-breakpoint
CREATE TABLE "usage_spool_wallets" (
	"spool_id" text NOT NULL,
	"account_id" uuid NOT NULL,
	"settled_nano" bigint NOT NULL,
	CONSTRAINT "usage_spool_wallets_spool_id_account_id_pk" PRIMARY KEY("spool_id","account_id")
);
--> statement-breakpoint
CREATE TABLE "usage_spools" (
	"id" text PRIMARY KEY NOT NULL,
	"high_water" bigint NOT NULL,
	"opened_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"closed_at" timestamp (3) with time zone
);
--> statement-breakpoint
ALTER TABLE "access_tokens" ADD CONSTRAINT "access_tokens_account_id_accounts_id_fk" FOREIGN KEY ("account_id") REFERENCES "public"."accounts"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "api_keys" ADD CONSTRAINT "api_keys_account_id_accounts_id_fk" FOREIGN KEY ("account_id") REFERENCES "public"."accounts"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "model_aliases" ADD CONSTRAINT "model_aliases_api_key_id_api_keys_id_fk" FOREIGN KEY ("api_key_id") REFERENCES "public"."api_keys"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "model_aliases" ADD CONSTRAINT "model_aliases_model_id_models_id_fk" FOREIGN KEY ("model_id") REFERENCES "public"."models"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "price_versions" ADD CONSTRAINT "price_versions_model_id_models_id_fk" FOREIGN KEY ("model_id") REFERENCES "public"."models"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "routes" ADD CONSTRAINT "routes_model_id_models_id_fk" FOREIGN KEY ("model_id") REFERENCES "public"."models"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "routes" ADD CONSTRAINT "routes_upstream_id_upstreams_id_fk" FOREIGN KEY ("upstream_id") REFERENCES "public"."upstreams"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "ledger_accounts" ADD CONSTRAINT "ledger_accounts_account_id_accounts_id_fk" FOREIGN KEY ("account_id") REFERENCES "public"."accounts"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "ledger_balances" ADD CONSTRAINT "ledger_balances_ledger_account_id_ledger_accounts_id_fk" FOREIGN KEY ("ledger_account_id") REFERENCES "public"."ledger_accounts"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "ledger_entries" ADD CONSTRAINT "ledger_entries_transaction_id_ledger_transactions_id_fk" FOREIGN KEY ("transaction_id") REFERENCES "public"."ledger_transactions"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "ledger_entries" ADD CONSTRAINT "ledger_entries_ledger_account_id_ledger_accounts_id_fk" FOREIGN KEY ("ledger_account_id") REFERENCES "public"."ledger_accounts"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE UNIQUE INDEX "access_tokens_digest_key" ON "access_tokens" USING btree ("digest");--> statement-breakpoint
CREATE INDEX "access_tokens_account_idx" ON "access_tokens" USING btree ("account_id","id");--> statement-breakpoint
CREATE UNIQUE INDEX "accounts_external_id_key" ON "accounts" USING btree ("external_id");--> statement-breakpoint
CREATE INDEX "idempotency_records_expires_at_idx" ON "idempotency_records" USING btree ("expires_at");--> statement-breakpoint
CREATE UNIQUE INDEX "api_keys_digest_key" ON "api_keys" USING btree ("digest");--> statement-breakpoint
CREATE INDEX "api_keys_account_idx" ON "api_keys" USING btree ("account_id","id");--> statement-breakpoint
CREATE UNIQUE INDEX "model_aliases_key_alias_key" ON "model_aliases" USING btree ("api_key_id","alias");--> statement-breakpoint
CREATE UNIQUE INDEX "price_versions_model_key" ON "price_versions" USING btree ("model_id","effective_at");--> statement-breakpoint
CREATE UNIQUE INDEX "routes_model_upstream_key" ON "routes" USING btree ("model_id","upstream_id");--> statement-breakpoint
CREATE UNIQUE INDEX "upstreams_name_key" ON "upstreams" USING btree ("name");--> statement-breakpoint
CREATE INDEX "config_changes_unpublished_idx" ON "config_changes" USING btree ("id") WHERE "config_changes"."published_at" is null;--> statement-breakpoint
CREATE INDEX "config_changes_sequence_idx" ON "config_changes" USING btree ("sequence");--> statement-breakpoint
CREATE UNIQUE INDEX "ledger_accounts_customer_key" ON "ledger_accounts" USING btree ("account_id","kind") WHERE "ledger_accounts"."account_id" is not null;--> statement-breakpoint
CREATE UNIQUE INDEX "ledger_accounts_system_key" ON "ledger_accounts" USING btree ("kind") WHERE "ledger_accounts"."account_id" is null;--> statement-breakpoint
CREATE INDEX "ledger_entries_account_idx" ON "ledger_entries" USING btree ("ledger_account_id","id");--> statement-breakpoint
CREATE INDEX "ledger_entries_transaction_idx" ON "ledger_entries" USING btree ("transaction_id");--> statement-breakpoint
CREATE UNIQUE INDEX "ledger_transactions_idempotency_key" ON "ledger_transactions" USING btree ("idempotency_key");--> statement-breakpoint
CREATE INDEX "usage_records_account_idx" ON "usage_records" USING btree ("account_id","request_id");--> statement-breakpoint
CREATE INDEX "usage_records_key_idx" ON "usage_records" USING btree ("api_key_id","request_id");--> statement-breakpoint
CREATE INDEX "usage_spool_wallets_account_idx" ON "usage_spool_wallets" USING btree ("account_id");