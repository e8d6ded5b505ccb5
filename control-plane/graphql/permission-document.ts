import type { GraphQLSchema } from 'graphql';
import {
  includesPermission,
  PERMISSIONS,
  type Permission,
  ROLE_PERMISSIONS,
  ROLES,
  type Role,
} from '../accounts/permissions.ts';
import { permissionName } from './permission.ts';
import { type Rule, ruleOf, simpleRules } from './permission-table.ts';

const INTRODUCTION = `# Who may do what

Printed from \`control-plane/graphql/permission-table.ts\` by \`npm run schema:print\`; the guards of the API come from the same
table. A field that is not in it does not exist.

- **anonymous**: no token and no session. Nothing is open to it.
- **roles**: people with a session, in the accounts they are members of, and in the customer accounts that a partner account
  of theirs owns.
- **scope**: what a management token needs, in its own account and the customer accounts that it owns. \`any\`: no scope in
  particular. \`no\`: closed to tokens.
- **operator**: the operator token.

A right counts for the object it is about: in every other account an id means nothing, and answers as one that does not exist.
Fields of connections, payloads and other parts without an id of their own are open to whoever may use the field that leads to
them.
`;

/** The permission table as a Markdown page: every field of Query, Mutation, Subscription and of every object with rules. */
export function permissionsAsMarkdown(schema: GraphQLSchema): string {
  const types = Object.values(schema.getTypeMap())
    .filter((type) => !type.name.startsWith('__') && 'getFields' in type && 'isTypeOf' in type)
    .toSorted((left, right) => rank(left.name) - rank(right.name) || left.name.localeCompare(right.name));
  const sections = types.flatMap((type) => {
    const fields = 'getFields' in type ? Object.keys(type.getFields()).toSorted() : [];
    const rows = fields.flatMap((field) => {
      const decision = ruleOf(type.name, field);
      return decision.kind === 'inherited' ? [] : [row(`\`${type.name}.${field}\``, decision.rule)];
    });
    return rows.length === 0 ? [] : [`## ${type.name}\n\n${HEAD}\n${rows.join('\n')}\n`];
  });
  return [INTRODUCTION, permissionList(), ...sections].join('\n');
}

const HEAD = `| field | ${ROLES.join(' | ')} | scope | operator |\n|---|${ROLES.map(() => '---|').join('')}---|---|`;

function rank(typeName: string): number {
  const roots = ['Query', 'Mutation', 'Subscription'];
  return roots.includes(typeName) ? roots.indexOf(typeName) : roots.length;
}

function row(name: string, rule: Rule): string {
  const rules = simpleRules(rule);
  const has = (role: Role): boolean =>
    rules.some(
      (each) =>
        each === 'signed-in' ||
        each === 'user' ||
        (each !== 'operator' && includesPermission(ROLE_PERMISSIONS[role], each)),
    );
  const scope = rules.find((each): each is Permission => Object.hasOwn(PERMISSIONS, each));
  const token = rules.includes('signed-in') ? 'any' : scope ? `\`${permissionName(scope)}\`` : 'no';
  const operator = rules.some((each) => each !== 'user') ? 'yes' : 'no';
  const roles = ROLES.map((role) => (has(role) ? 'yes' : 'no'));
  return `| ${name} | ${roles.join(' | ')} | ${token} | ${operator} |`;
}

function permissionList(): string {
  const rows = Object.entries(PERMISSIONS).map(
    ([name, meaning]) =>
      `| \`${name.toUpperCase().replace(':', '_')}\` | ${meaning} | ${ROLES.filter((role) =>
        includesPermission(ROLE_PERMISSIONS[role], name as Permission),
      ).join(', ')} |`,
  );
  return `## Scopes\n\nWhat writes may also read.\n\n| scope | meaning | roles that have it |\n|---|---|---|\n${rows.join('\n')}\n`;
}
