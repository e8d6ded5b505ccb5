import './account.ts';
import './account-mutations.ts';
import './api-key.ts';
import './api-key-mutations.ts';
import './catalog-mutations.ts';
import './credit-allocation.ts';
import './ledger.ts';
import './management-token.ts';
import './model.ts';
import './model-alias.ts';
import './upstream.ts';
import './upstream-mutations.ts';
import './usage-record.ts';
import './viewer.ts';
import { builder } from './builder.ts';
import { guardSchema } from './guard-schema.ts';

export const schema = guardSchema(builder.toSchema());
