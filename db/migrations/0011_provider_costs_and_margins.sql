CREATE TABLE "margin_rules" (
	"id" uuid PRIMARY KEY NOT NULL,
	"scope" text NOT NULL,
	"basis_points" integer NOT NULL,
	"effective_at" timestamp (3) with time zone NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "margin_rules_not_negative" CHECK ("margin_rules"."basis_points" >= 0)
);
--> statement-breakpoint
CREATE TABLE "provider_costs" (
	"id" uuid PRIMARY KEY NOT NULL,
	"model_id" text NOT NULL,
	"effective_at" timestamp (3) with time zone NOT NULL,
	"tiers" jsonb NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
ALTER TABLE "provider_costs" ADD CONSTRAINT "provider_costs_model_id_models_id_fk" FOREIGN KEY ("model_id") REFERENCES "public"."models"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE UNIQUE INDEX "margin_rules_scope_key" ON "margin_rules" USING btree ("scope","effective_at");--> statement-breakpoint
CREATE UNIQUE INDEX "provider_costs_model_key" ON "provider_costs" USING btree ("model_id","effective_at");