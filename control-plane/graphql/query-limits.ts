import { EnvelopArmor } from '@escape.tech/graphql-armor';
import type { GraphQLError } from 'graphql';
import type { YogaServerOptions } from 'graphql-yoga';
import { apiError } from './api-error.ts';

type Plugins = NonNullable<YogaServerOptions<object, object>['plugins']>;

const MAX_DEPTH = 12;
const MAX_ALIASES = 15;
const MAX_TOKENS = 1_000;
const MAX_DIRECTIVES = 20;
const MAX_COST = 2_000;

/** Armor words its refusals as syntax errors without a code; clients get one that says what is meant. */
function refuse(_context: unknown, error: GraphQLError): never {
  throw apiError('QUERY_TOO_COMPLEX', error.message.replace(/^Syntax Error: /, ''), 400);
}

/** Refuses documents that would cost more than a console or a program has reason to ask for, before anything runs. */
export function queryLimits(options: { suggestFields: boolean }): Plugins {
  const rule = { onReject: [refuse], propagateOnRejection: true };
  const { plugins } = new EnvelopArmor({
    maxDepth: { n: MAX_DEPTH, ...rule },
    maxAliases: { n: MAX_ALIASES, ...rule },
    maxTokens: { n: MAX_TOKENS, ...rule },
    maxDirectives: { n: MAX_DIRECTIVES, ...rule },
    costLimit: { maxCost: MAX_COST, ...rule },
    blockFieldSuggestion: { enabled: !options.suggestFields },
  }).protect();
  return plugins;
}
