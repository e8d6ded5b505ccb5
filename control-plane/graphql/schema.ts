import './account.ts';
import './api-key.ts';
import './api-key-mutations.ts';
import './catalog-mutations.ts';
import './ledger.ts';
import './management-token.ts';
import './model.ts';
import './model-alias.ts';
import './upstream.ts';
import './upstream-mutations.ts';
import './usage-record.ts';
import './viewer.ts';
import { builder } from './builder.ts';

export const schema = builder.toSchema();
