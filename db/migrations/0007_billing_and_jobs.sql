CREATE TABLE "billing_profiles" (
	"account_id" uuid PRIMARY KEY NOT NULL,
	"stripe_customer_id" text,
	"company_name" text,
	"tax_id" text,
	"billing_address" text,
	"auto_top_up_enabled" boolean DEFAULT false NOT NULL,
	"auto_threshold_nano" bigint,
	"auto_amount_cents" integer,
	"auto_monthly_cap_cents" integer,
	"auto_declines" integer DEFAULT 0 NOT NULL,
	"auto_next_attempt_at" timestamp (3) with time zone,
	"auto_disabled_reason" text,
	CONSTRAINT "billing_profiles_auto_top_up_whole" CHECK (not "billing_profiles"."auto_top_up_enabled" or ("billing_profiles"."auto_threshold_nano" >= 0 and "billing_profiles"."auto_amount_cents" > 0 and "billing_profiles"."auto_monthly_cap_cents" > 0))
);
--> statement-breakpoint
CREATE TABLE "disputes" (
	"id" uuid PRIMARY KEY NOT NULL,
	"top_up_id" uuid NOT NULL,
	"stripe_dispute_id" text NOT NULL,
	"amount_cents" integer NOT NULL,
	"status" text DEFAULT 'open' NOT NULL,
	"opened_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"closed_at" timestamp (3) with time zone
);
--> statement-breakpoint
CREATE TABLE "refunds" (
	"id" uuid PRIMARY KEY NOT NULL,
	"top_up_id" uuid NOT NULL,
	"stripe_refund_id" text,
	"credit_cents" integer NOT NULL,
	"fee_cents" integer NOT NULL,
	"status" text DEFAULT 'pending' NOT NULL,
	"reason" text NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"updated_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "refunds_amounts" CHECK ("refunds"."credit_cents" >= 0 and "refunds"."fee_cents" >= 0)
);
--> statement-breakpoint
CREATE TABLE "saved_cards" (
	"id" uuid PRIMARY KEY NOT NULL,
	"account_id" uuid NOT NULL,
	"stripe_payment_method_id" text NOT NULL,
	"brand" text NOT NULL,
	"last4" text NOT NULL,
	"expiry_month" integer NOT NULL,
	"expiry_year" integer NOT NULL,
	"fingerprint" text,
	"is_default" boolean DEFAULT false NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"removed_at" timestamp (3) with time zone,
	CONSTRAINT "saved_cards_removed_is_no_default" CHECK (not ("saved_cards"."is_default" and "saved_cards"."removed_at" is not null))
);
--> statement-breakpoint
CREATE TABLE "statements" (
	"id" uuid PRIMARY KEY NOT NULL,
	"account_id" uuid NOT NULL,
	"month" text NOT NULL,
	"number" text NOT NULL,
	"opening_nano" bigint NOT NULL,
	"topped_up_nano" bigint NOT NULL,
	"usage_nano" bigint NOT NULL,
	"other_nano" bigint NOT NULL,
	"closing_nano" bigint NOT NULL,
	"usage_by_model" jsonb NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "statements_add_up" CHECK ("statements"."opening_nano" + "statements"."topped_up_nano" + "statements"."usage_nano" + "statements"."other_nano" = "statements"."closing_nano")
);
--> statement-breakpoint
CREATE TABLE "stripe_events" (
	"id" text PRIMARY KEY NOT NULL,
	"type" text NOT NULL,
	"object_id" text NOT NULL,
	"stripe_created_at" timestamp (3) with time zone NOT NULL,
	"status" text DEFAULT 'received' NOT NULL,
	"received_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"applied_at" timestamp (3) with time zone
);
--> statement-breakpoint
CREATE TABLE "top_ups" (
	"id" uuid PRIMARY KEY NOT NULL,
	"account_id" uuid NOT NULL,
	"channel" text NOT NULL,
	"status" text DEFAULT 'pending' NOT NULL,
	"credit_cents" integer NOT NULL,
	"fee_cents" integer NOT NULL,
	"saved_card_id" uuid,
	"stripe_session_id" text,
	"stripe_payment_intent_id" text,
	"payment_method_type" text,
	"payment_method_label" text,
	"card_fingerprint" text,
	"failure_code" text,
	"failure_message" text,
	"refunded_cents" integer DEFAULT 0 NOT NULL,
	"disputed_cents" integer DEFAULT 0 NOT NULL,
	"receipt_number" text,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"updated_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"credited_at" timestamp (3) with time zone,
	CONSTRAINT "top_ups_amounts" CHECK ("top_ups"."credit_cents" > 0 and "top_ups"."fee_cents" >= 0),
	CONSTRAINT "top_ups_refunds_within_charge" CHECK ("top_ups"."refunded_cents" between 0 and "top_ups"."credit_cents" + "top_ups"."fee_cents"),
	CONSTRAINT "top_ups_credited_once_succeeded" CHECK (("top_ups"."status" = 'succeeded') = ("top_ups"."credited_at" is not null))
);
--> statement-breakpoint
CREATE TABLE "dead_letters" (
	"id" uuid PRIMARY KEY NOT NULL,
	"queue" text NOT NULL,
	"payload" jsonb NOT NULL,
	"error" text NOT NULL,
	"attempts" integer NOT NULL,
	"failed_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"replayed_at" timestamp (3) with time zone
);
--> statement-breakpoint
ALTER TABLE "billing_profiles" ADD CONSTRAINT "billing_profiles_account_id_accounts_id_fk" FOREIGN KEY ("account_id") REFERENCES "public"."accounts"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "disputes" ADD CONSTRAINT "disputes_top_up_id_top_ups_id_fk" FOREIGN KEY ("top_up_id") REFERENCES "public"."top_ups"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "refunds" ADD CONSTRAINT "refunds_top_up_id_top_ups_id_fk" FOREIGN KEY ("top_up_id") REFERENCES "public"."top_ups"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "saved_cards" ADD CONSTRAINT "saved_cards_account_id_accounts_id_fk" FOREIGN KEY ("account_id") REFERENCES "public"."accounts"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "statements" ADD CONSTRAINT "statements_account_id_accounts_id_fk" FOREIGN KEY ("account_id") REFERENCES "public"."accounts"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "top_ups" ADD CONSTRAINT "top_ups_account_id_accounts_id_fk" FOREIGN KEY ("account_id") REFERENCES "public"."accounts"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "top_ups" ADD CONSTRAINT "top_ups_saved_card_id_saved_cards_id_fk" FOREIGN KEY ("saved_card_id") REFERENCES "public"."saved_cards"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE UNIQUE INDEX "billing_profiles_stripe_customer_key" ON "billing_profiles" USING btree ("stripe_customer_id");--> statement-breakpoint
CREATE UNIQUE INDEX "disputes_stripe_key" ON "disputes" USING btree ("stripe_dispute_id");--> statement-breakpoint
CREATE INDEX "disputes_top_up_idx" ON "disputes" USING btree ("top_up_id");--> statement-breakpoint
CREATE UNIQUE INDEX "refunds_stripe_key" ON "refunds" USING btree ("stripe_refund_id");--> statement-breakpoint
CREATE INDEX "refunds_top_up_idx" ON "refunds" USING btree ("top_up_id");--> statement-breakpoint
CREATE UNIQUE INDEX "saved_cards_stripe_key" ON "saved_cards" USING btree ("stripe_payment_method_id");--> statement-breakpoint
CREATE UNIQUE INDEX "saved_cards_one_default_key" ON "saved_cards" USING btree ("account_id") WHERE "saved_cards"."is_default";--> statement-breakpoint
CREATE UNIQUE INDEX "statements_account_month_key" ON "statements" USING btree ("account_id","month");--> statement-breakpoint
CREATE UNIQUE INDEX "statements_number_key" ON "statements" USING btree ("number");--> statement-breakpoint
CREATE INDEX "stripe_events_waiting_idx" ON "stripe_events" USING btree ("received_at") WHERE "stripe_events"."status" = 'received';--> statement-breakpoint
CREATE UNIQUE INDEX "top_ups_session_key" ON "top_ups" USING btree ("stripe_session_id");--> statement-breakpoint
CREATE UNIQUE INDEX "top_ups_payment_intent_key" ON "top_ups" USING btree ("stripe_payment_intent_id");--> statement-breakpoint
CREATE UNIQUE INDEX "top_ups_receipt_number_key" ON "top_ups" USING btree ("receipt_number");--> statement-breakpoint
CREATE UNIQUE INDEX "top_ups_one_automatic_in_flight_key" ON "top_ups" USING btree ("account_id") WHERE "top_ups"."channel" = 'automatic' and "top_ups"."status" in ('pending', 'requires_action', 'processing');--> statement-breakpoint
CREATE INDEX "top_ups_account_idx" ON "top_ups" USING btree ("account_id","id");--> statement-breakpoint
CREATE INDEX "top_ups_open_idx" ON "top_ups" USING btree ("updated_at") WHERE "top_ups"."status" in ('pending', 'requires_action', 'processing');--> statement-breakpoint
CREATE INDEX "top_ups_fingerprint_idx" ON "top_ups" USING btree ("card_fingerprint","created_at");--> statement-breakpoint
CREATE INDEX "dead_letters_open_idx" ON "dead_letters" USING btree ("id") WHERE "dead_letters"."replayed_at" is null;