CREATE TABLE "usage_end_user_days" (
	"account_id" uuid NOT NULL,
	"day" date NOT NULL,
	"end_user" text NOT NULL,
	"cost_nano" bigint NOT NULL,
	"request_count" bigint NOT NULL,
	"success_count" bigint NOT NULL,
	"input_tokens" bigint NOT NULL,
	"output_tokens" bigint NOT NULL,
	"cache_read_tokens" bigint NOT NULL,
	"cache_write_tokens" bigint NOT NULL,
	CONSTRAINT "usage_end_user_days_account_id_day_end_user_pk" PRIMARY KEY("account_id","day","end_user")
);
--> statement-breakpoint
CREATE TABLE "usage_hours" (
	"account_id" uuid NOT NULL,
	"hour" timestamp (3) with time zone NOT NULL,
	"api_key_id" uuid NOT NULL,
	"model_id" text NOT NULL,
	"dialect" text NOT NULL,
	"cost_nano" bigint NOT NULL,
	"request_count" bigint NOT NULL,
	"success_count" bigint NOT NULL,
	"input_tokens" bigint NOT NULL,
	"output_tokens" bigint NOT NULL,
	"cache_read_tokens" bigint NOT NULL,
	"cache_write_tokens" bigint NOT NULL,
	CONSTRAINT "usage_hours_account_id_hour_api_key_id_model_id_dialect_pk" PRIMARY KEY("account_id","hour","api_key_id","model_id","dialect")
);
--> statement-breakpoint
CREATE TABLE "usage_key_days" (
	"api_key_id" uuid NOT NULL,
	"day" date NOT NULL,
	"cost_nano" bigint NOT NULL,
	"request_count" bigint NOT NULL,
	"success_count" bigint NOT NULL,
	"input_tokens" bigint NOT NULL,
	"output_tokens" bigint NOT NULL,
	"cache_read_tokens" bigint NOT NULL,
	"cache_write_tokens" bigint NOT NULL,
	CONSTRAINT "usage_key_days_api_key_id_day_pk" PRIMARY KEY("api_key_id","day")
);
--> statement-breakpoint
CREATE INDEX "usage_hours_hour_idx" ON "usage_hours" USING btree ("hour");--> statement-breakpoint
-- What was booked before the totals existed.
INSERT INTO "usage_hours"
SELECT account_id, date_trunc('hour', occurred_at, 'UTC'), api_key_id, coalesce(model_id, ''), dialect, sum(cost_nano),
	sum(request_count), coalesce(sum(request_count) FILTER (WHERE status = 'success'), 0), sum(input_tokens),
	sum(output_tokens), sum(cache_read_tokens), sum(cache_write_5m_tokens + cache_write_1h_tokens)
FROM usage_records GROUP BY 1, 2, 3, 4, 5;
--> statement-breakpoint
INSERT INTO "usage_key_days"
SELECT api_key_id, (occurred_at AT TIME ZONE 'UTC')::date, sum(cost_nano), sum(request_count),
	coalesce(sum(request_count) FILTER (WHERE status = 'success'), 0), sum(input_tokens), sum(output_tokens),
	sum(cache_read_tokens), sum(cache_write_5m_tokens + cache_write_1h_tokens)
FROM usage_records GROUP BY 1, 2;
--> statement-breakpoint
INSERT INTO "usage_end_user_days"
SELECT account_id, (occurred_at AT TIME ZONE 'UTC')::date, end_user, sum(cost_nano), sum(request_count),
	coalesce(sum(request_count) FILTER (WHERE status = 'success'), 0), sum(input_tokens), sum(output_tokens),
	sum(cache_read_tokens), sum(cache_write_5m_tokens + cache_write_1h_tokens)
FROM usage_records WHERE end_user IS NOT NULL GROUP BY 1, 2, 3;
