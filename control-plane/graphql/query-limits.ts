import { EnvelopArmor } from '@escape.tech/graphql-armor';
import type { ExecutionArgs, GraphQLError } from 'graphql';
import type { Plugin, YogaServerOptions } from 'graphql-yoga';
import { apiError } from './api-error.ts';
import { variableErrors } from './check-variables.ts';
import { countObjects, countReturned, operationOf } from './count-objects.ts';
import { executionDeadline } from './execution-deadline.ts';
import { MAX_OBJECTS_PER_REQUEST } from './page-limits.ts';
import { safeRequestBody } from './request-body.ts';
import type { RequestContext } from './request-context.ts';
import { spendCost } from './spend-cost.ts';

type Plugins = NonNullable<YogaServerOptions<object, object>['plugins']>;

const MAX_DEPTH = 12;
const MAX_ALIASES = 15;
const MAX_TOKENS = 1_000;
const MAX_DIRECTIVES = 20;

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
    // Its cost rule multiplies page sizes that are written out but not those in variables; ours counts both.
    costLimit: { enabled: false },
    blockFieldSuggestion: { enabled: !options.suggestFields },
  }).protect();
  return [safeRequestBody, ...plugins, costLimit, executionDeadline];
}

/**
 * Refuses requests whose pages add up to more than one answer should carry, and callers who have spent their minute; tells
 * everybody else what the request has cost. What pages could have held but did not is given back.
 */
const costLimit: Plugin<RequestContext> = {
  async onExecute({ args, setResultAndStopExecution }) {
    const admitted = await admit(args);
    if (admitted.errors) return setResultAndStopExecution({ errors: [...admitted.errors] });
    const { spent, objects } = admitted;
    return {
      async onExecuteDone({ result, setResult }) {
        if (Symbol.asyncIterator in result) return;
        const cost = await spent.settle(countReturned(result.data, objects));
        setResult({ ...result, extensions: { ...result.extensions, cost } });
      },
    };
  },
  async onSubscribe({ args, setResultAndStopExecution }) {
    const admitted = await admit(args);
    if (admitted.errors) return setResultAndStopExecution({ errors: [...admitted.errors] });
    // Each event is paid for when it comes; the beginning holds none.
    args.contextValue.live.objectsPerEvent = admitted.objects;
    await admitted.spent.settle(0);
    return;
  },
};

type Admitted =
  | { readonly errors: readonly GraphQLError[] }
  | {
      readonly errors?: never;
      readonly spent: Exclude<Awaited<ReturnType<typeof spendCost>>, { refusal: GraphQLError }>;
      readonly objects: number;
    };

async function admit(args: ExecutionArgs & { contextValue: RequestContext }): Promise<Admitted> {
  const request = {
    schema: args.schema,
    document: args.document,
    operationName: args.operationName ?? undefined,
    variables: args.variableValues ?? {},
  };
  const operation = operationOf(request);
  const objects = countObjects(request);
  if (objects > MAX_OBJECTS_PER_REQUEST) {
    const message = `The pages of one request may hold ${MAX_OBJECTS_PER_REQUEST} objects together; this one asks for ${objects}.`;
    return { errors: [apiError('QUERY_TOO_COMPLEX', message, 400)] };
  }
  const spent = await spendCost(args.contextValue, objects);
  if (spent.refusal) return { errors: [spent.refusal] };
  const errors = operation ? variableErrors(args.schema, operation, request.variables) : [];
  return errors.length > 0 ? { errors } : { spent, objects };
}
