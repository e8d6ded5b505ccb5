CREATE TABLE "queued_mails" (
	"id" uuid PRIMARY KEY NOT NULL,
	"cause" text NOT NULL,
	"recipient" text NOT NULL,
	"subject" text NOT NULL,
	"text" text NOT NULL,
	"status" text DEFAULT 'waiting' NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"sent_at" timestamp (3) with time zone
);
--> statement-breakpoint
ALTER TABLE "accounts" DROP CONSTRAINT "accounts_suspended_by_known";--> statement-breakpoint
ALTER TABLE "billing_profiles" ADD COLUMN "receipt_count" integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "disputes" ADD COLUMN "credit_cents" integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "disputes" ADD COLUMN "suspends_account" boolean DEFAULT false NOT NULL;--> statement-breakpoint
ALTER TABLE "top_ups" ADD COLUMN "save_card" boolean DEFAULT false NOT NULL;--> statement-breakpoint
CREATE UNIQUE INDEX "queued_mails_cause_key" ON "queued_mails" USING btree ("cause","recipient");--> statement-breakpoint
CREATE INDEX "queued_mails_waiting_idx" ON "queued_mails" USING btree ("id") WHERE "queued_mails"."status" = 'waiting';--> statement-breakpoint
ALTER TABLE "accounts" ADD CONSTRAINT "accounts_suspended_by_known" CHECK ("accounts"."suspended_by" in ('operator', 'partner', 'dispute'));--> statement-breakpoint
UPDATE "disputes" SET "credit_cents" = least("disputes"."amount_cents", "top_ups"."credit_cents") FROM "top_ups" WHERE "top_ups"."id" = "disputes"."top_up_id";
