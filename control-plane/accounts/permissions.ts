/**
 * What a caller may be allowed to do with an account. A management token carries some of these as its scopes; a member
 * has those of the role. A `:write` permission includes the `:read` of the same thing.
 */
export const PERMISSIONS = {
  'accounts:read': 'See the account and the customer accounts it owns.',
  'accounts:write': 'Change the account; open, change, suspend and activate customer accounts of a partner.',
  'keys:read': 'See API keys and their aliases, never their secrets.',
  'keys:write': 'Make, change, rotate, disable and delete API keys and their aliases.',
  'usage:read': 'See usage records and usage figures.',
  'billing:read': 'See balance, ledger, payments and receipts.',
  'billing:write':
    "Top up, keep cards, ask for refunds; move a partner's credit to its customer accounts and back; set warnings.",
  'members:read': 'See members and invitations.',
  'members:write': 'Invite, remove and re-role members who are no owners.',
  'owners:write': 'Make and remove owners.',
  'tokens:read': 'See management tokens, never their secrets.',
  'tokens:write': 'Make and revoke management tokens, with no more scopes than one has.',
  'audit:read': 'See the audit log.',
  'webhooks:read': 'See webhook endpoints and their deliveries, never their secrets.',
  'webhooks:write':
    'Make, change and delete webhook endpoints, which hear of keys, limits, balances and top-ups; send deliveries again.',
} as const;

export type Permission = keyof typeof PERMISSIONS;

export const ALL_PERMISSIONS = Object.keys(PERMISSIONS).filter((name): name is Permission =>
  Object.hasOwn(PERMISSIONS, name),
);

export const ROLES = ['owner', 'admin', 'developer', 'billing', 'viewer'] as const;
export type Role = (typeof ROLES)[number];

export const ROLE_PERMISSIONS: Readonly<Record<Role, readonly Permission[]>> = {
  owner: ALL_PERMISSIONS,
  admin: ALL_PERMISSIONS.filter(
    (permission) => permission !== 'billing:write' && permission !== 'owners:write',
  ),
  developer: ['accounts:read', 'keys:write', 'usage:read', 'members:read'],
  billing: ['accounts:read', 'billing:write', 'usage:read', 'members:read'],
  viewer: ['accounts:read', 'keys:read', 'usage:read', 'members:read'],
};

/** True when one of the granted permissions is the wanted one or includes it. */
export function includesPermission(granted: readonly Permission[], wanted: Permission): boolean {
  return granted.includes(wanted) || granted.some((each) => each === wanted.replace(/:read$/, ':write'));
}
