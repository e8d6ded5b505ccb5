-- The ledger and price versions are append-only: a correction is a new row.
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	RAISE EXCEPTION '% is append-only: % refused', TG_TABLE_NAME, lower(TG_OP) USING ERRCODE = 'restrict_violation';
END
$$;
--> statement-breakpoint
CREATE TRIGGER ledger_transactions_append_only BEFORE UPDATE OR DELETE ON "ledger_transactions"
	FOR EACH ROW EXECUTE FUNCTION refuse_change();
--> statement-breakpoint
CREATE TRIGGER ledger_entries_append_only BEFORE UPDATE OR DELETE ON "ledger_entries"
	FOR EACH ROW EXECUTE FUNCTION refuse_change();
--> statement-breakpoint
CREATE TRIGGER price_versions_append_only BEFORE UPDATE OR DELETE ON "price_versions"
	FOR EACH ROW EXECUTE FUNCTION refuse_change();
--> statement-breakpoint
-- Checks, never computes: at commit every transaction touched has at least two entries and they sum to zero.
CREATE FUNCTION check_ledger_transaction_balances() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
	checked_id uuid;
	entry_count bigint;
	entry_sum numeric;
BEGIN
	IF TG_TABLE_NAME = 'ledger_transactions' THEN
		checked_id := NEW.id;
	ELSE
		checked_id := NEW.transaction_id;
	END IF;
	SELECT count(*), coalesce(sum(amount_nano), 0) INTO entry_count, entry_sum
		FROM ledger_entries WHERE transaction_id = checked_id;
	IF entry_count < 2 OR entry_sum <> 0 THEN
		RAISE EXCEPTION 'ledger transaction % does not balance: % entries, sum %', checked_id, entry_count, entry_sum
			USING ERRCODE = 'check_violation', CONSTRAINT = 'ledger_transactions_balance';
	END IF;
	RETURN NULL;
END
$$;
--> statement-breakpoint
CREATE CONSTRAINT TRIGGER ledger_transactions_balance AFTER INSERT ON "ledger_transactions"
	DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION check_ledger_transaction_balances();
--> statement-breakpoint
CREATE CONSTRAINT TRIGGER ledger_entries_balance AFTER INSERT ON "ledger_entries"
	DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION check_ledger_transaction_balances();
--> statement-breakpoint
INSERT INTO "config_sequence" ("id", "sequence") VALUES (1, 0) ON CONFLICT DO NOTHING;
