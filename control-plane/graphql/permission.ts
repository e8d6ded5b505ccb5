import { ALL_PERMISSIONS, PERMISSIONS, type Permission, type Role } from '../accounts/permissions.ts';
import { builder } from './builder.ts';

/** `keys:read` is shown as `KEYS_READ`. */
export function permissionName(permission: Permission): string {
  return permission.toUpperCase().replace(':', '_');
}

export const permissionEnum = builder.enumType('Permission', {
  description: 'What a caller may do in an account. What writes may also read.',
  values: Object.fromEntries(
    ALL_PERMISSIONS.map((permission) => [
      permissionName(permission),
      { value: permission, description: PERMISSIONS[permission] },
    ]),
  ),
});

export const memberRole = builder.enumType('MemberRole', {
  description: 'What a member may do in an account.',
  values: {
    OWNER: { value: 'owner', description: 'Everything.' },
    ADMIN: { value: 'admin', description: 'Everything but moving credit and making owners.' },
    DEVELOPER: { value: 'developer', description: 'Makes keys and aliases, sees usage.' },
    BILLING: { value: 'billing', description: 'Sees balance, ledger and usage, moves credit.' },
    VIEWER: { value: 'viewer', description: 'Sees keys and usage.' },
  } satisfies Record<string, { value: Role; description: string }>,
});
