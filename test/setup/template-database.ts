/** Migrated once per run; every test file gets a copy of it. */
export const TEMPLATE_DATABASE = 'migrated_template';
