CREATE TABLE "api_key_networks" (
	"api_key_id" uuid PRIMARY KEY NOT NULL,
	"used_at" timestamp (3) with time zone NOT NULL,
	"network" text NOT NULL
);
--> statement-breakpoint
ALTER TABLE "api_keys" DROP COLUMN "last_used_at";