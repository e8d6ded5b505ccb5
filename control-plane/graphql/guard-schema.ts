import { defaultFieldResolver, type GraphQLFieldResolver, type GraphQLSchema } from 'graphql';
import { forbidden, timedOut, unauthenticated } from './api-error.ts';
import { type FieldRule, ruleOf, simpleRules } from './permission-table.ts';
import type { RequestContext } from './request-context.ts';

type Resolver = GraphQLFieldResolver<unknown, RequestContext>;

/**
 * Puts the guard of the permission table before every field of every object type. Throws while a field is missing in the
 * table, so nothing is open by accident. Changes the schema that it is given and returns it.
 */
export function guardSchema(schema: GraphQLSchema): GraphQLSchema {
  for (const type of Object.values(schema.getTypeMap())) {
    if (type.name.startsWith('__') || !('getFields' in type) || !('isTypeOf' in type)) continue;
    for (const field of Object.values(type.getFields())) {
      const rule = ruleOf(type.name, field.name);
      if (rule.kind === 'inherited' || !('resolve' in field)) continue;
      const guarded = field as { resolve?: Resolver; subscribe?: Resolver };
      // Of a subscription only the beginning is guarded; what it then sends is read through guarded fields.
      if (guarded.subscribe) guarded.subscribe = guard(rule, guarded.subscribe);
      else guarded.resolve = guard(rule, guarded.resolve ?? defaultFieldResolver);
    }
  }
  return schema;
}

function guard(rule: Exclude<FieldRule, { kind: 'inherited' }>, resolve: Resolver): Resolver {
  return (parent, args, context, info) => {
    if (!context.actor) throw unauthenticated();
    if (context.deadline.passed) throw timedOut();
    const verdict = mayUse(rule, parent, context);
    if (verdict === true) return resolve(parent, args, context, info);
    if (verdict === false) throw forbidden();
    return verdict.then((allowed) => {
      if (!allowed) throw forbidden();
      return resolve(parent, args, context, info);
    });
  };
}

function mayUse(
  decision: Exclude<FieldRule, { kind: 'inherited' }>,
  parent: unknown,
  { actor, access }: RequestContext,
): boolean | Promise<boolean> {
  const verdicts = simpleRules(decision.rule).map((rule) => {
    if (rule === 'signed-in') return true;
    if (rule === 'operator') return actor?.kind === 'operator';
    if (rule === 'user') return actor?.kind === 'user';
    if (decision.kind === 'anywhere') return access.mayAnywhere(rule);
    return access.may(rule, memberOf(parent, decision.accountIdMember));
  });
  if (verdicts.includes(true)) return true;
  const open = verdicts.filter((verdict) => typeof verdict !== 'boolean');
  return open.length === 0 ? false : Promise.all(open).then((answers) => answers.includes(true));
}

function memberOf(parent: unknown, name: string): string | null {
  const value: unknown =
    parent === null || typeof parent !== 'object' ? undefined : Reflect.get(parent, name);
  return typeof value === 'string' ? value : null;
}
