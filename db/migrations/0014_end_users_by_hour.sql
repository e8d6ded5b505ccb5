CREATE TABLE "usage_end_user_hours" (
	"account_id" uuid NOT NULL,
	"hour" timestamp (3) with time zone NOT NULL,
	"end_user" text NOT NULL,
	"cost_nano" bigint NOT NULL,
	"request_count" bigint NOT NULL,
	"success_count" bigint NOT NULL,
	"input_tokens" bigint NOT NULL,
	"output_tokens" bigint NOT NULL,
	"cache_read_tokens" bigint NOT NULL,
	"cache_write_tokens" bigint NOT NULL,
	CONSTRAINT "usage_end_user_hours_account_id_hour_end_user_pk" PRIMARY KEY("account_id","hour","end_user")
);
--> statement-breakpoint
-- What was kept by day alone counts as the first hour of its day, so that days and months stay what they were.
INSERT INTO "usage_end_user_hours"
SELECT account_id, day::timestamp AT TIME ZONE 'UTC', end_user, cost_nano, request_count, success_count, input_tokens,
	output_tokens, cache_read_tokens, cache_write_tokens
FROM usage_end_user_days;
--> statement-breakpoint
DROP TABLE "usage_end_user_days" CASCADE;