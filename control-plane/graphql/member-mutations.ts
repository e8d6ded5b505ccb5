import { type Reach, reachOf } from '../accounts/authorize.ts';
import type { Role } from '../accounts/permissions.ts';
import { acceptInvitation } from '../people/accept-invitation.ts';
import { removeMember, setMemberRole } from '../people/change-member.ts';
import { type InvitingReach, inviteMember } from '../people/invite-member.ts';
import { revokeInvitation } from '../people/revoke-invitation.ts';
import { accountRef } from './account.ts';
import { builder } from './builder.ts';
import { encodeGlobalId, uuidOf } from './global-ids.ts';
import { invitationRef, memberRef } from './member.ts';
import { memberRole } from './permission.ts';
import { type RequestContext, requireActor } from './request-context.ts';
import { type Payload, runMutation } from './run-mutation.ts';
import { userErrorsField } from './user-error.ts';

function invitingReach(context: RequestContext, members: Reach): InvitingReach {
  return { members, owners: reachOf(requireActor(context), 'owners:write') };
}

const invitePayload = builder.objectRef<Payload<{ invitationId: string }>>('MemberInvitePayload').implement({
  description: 'The result of `memberInvite`.',
  fields: (t) => ({
    invitation: t.field({
      type: invitationRef,
      nullable: true,
      description: 'The invitation; null when the mutation was refused. Its token is only in the mail.',
      resolve: ({ value }) => value?.invitationId,
    }),
    userErrors: userErrorsField(t),
  }),
});

const revokePayload = builder
  .objectRef<Payload<{ invitationId: string }>>('InvitationRevokePayload')
  .implement({
    description: 'The result of `invitationRevoke`.',
    fields: (t) => ({
      invitation: t.field({
        type: invitationRef,
        nullable: true,
        description: 'The invitation as it is now; null when the mutation was refused.',
        resolve: ({ value }, _args, context) => {
          if (!value) return null;
          invitationRef.getDataloader(context).clear(value.invitationId);
          return value.invitationId;
        },
      }),
      userErrors: userErrorsField(t),
    }),
  });

const acceptPayload = builder
  .objectRef<Payload<{ memberId: string; accountId: string; role: Role }>>('InvitationAcceptPayload')
  .implement({
    description: 'The result of `invitationAccept`.',
    fields: (t) => ({
      member: t.field({
        type: memberRef,
        nullable: true,
        description: 'The membership; null when the mutation was refused.',
        resolve: ({ value }) => value?.memberId,
      }),
      userErrors: userErrorsField(t),
    }),
  });

const rolePayload = builder.objectRef<Payload<{ memberId: string }>>('MemberRoleSetPayload').implement({
  description: 'The result of `memberRoleSet`.',
  fields: (t) => ({
    member: t.field({
      type: memberRef,
      nullable: true,
      description: 'The member as it is now; null when the mutation was refused.',
      resolve: ({ value }, _args, context) => {
        if (!value) return null;
        memberRef.getDataloader(context).clear(value.memberId);
        return value.memberId;
      },
    }),
    userErrors: userErrorsField(t),
  }),
});

const removePayload = builder
  .objectRef<Payload<{ memberId: string; accountId: string }>>('MemberRemovePayload')
  .implement({
    description: 'The result of `memberRemove`.',
    fields: (t) => ({
      removedMemberId: t.id({
        nullable: true,
        description: 'Global id of the membership that has ended; null when the mutation was refused.',
        resolve: ({ value }) => value && encodeGlobalId('AccountMember', value.memberId),
      }),
      account: t.field({
        type: accountRef,
        nullable: true,
        description: 'The account; null when the mutation was refused.',
        resolve: ({ value }) => value?.accountId,
      }),
      userErrors: userErrorsField(t),
    }),
  });

const inviteInput = builder.inputType('MemberInviteInput', {
  description: 'Whom to invite.',
  fields: (t) => ({
    accountId: t.id({ required: true, description: 'Global id of the account.' }),
    email: t.string({ required: true, description: 'Where the invitation is sent.' }),
    role: t.field({ type: memberRole, required: true, description: 'What the person may do then.' }),
    idempotencyKey: t.string({ description: 'The same key and input get the same answer for 24 h.' }),
  }),
});
const revokeInput = builder.inputType('InvitationRevokeInput', {
  description: 'Which invitation to revoke.',
  fields: (t) => ({
    invitationId: t.id({ required: true, description: 'Global id of the invitation, `invite_…`.' }),
  }),
});
const acceptInput = builder.inputType('InvitationAcceptInput', {
  description: 'Which invitation to accept.',
  fields: (t) => ({ token: t.string({ required: true, description: 'The token in the mail, `cmi_…`.' }) }),
});
const roleInput = builder.inputType('MemberRoleSetInput', {
  description: 'A new role of a member.',
  fields: (t) => ({
    memberId: t.id({ required: true, description: 'Global id of the membership, `member_…`.' }),
    role: t.field({ type: memberRole, required: true, description: 'The new role.' }),
  }),
});
const removeInput = builder.inputType('MemberRemoveInput', {
  description: 'Which membership to end.',
  fields: (t) => ({
    memberId: t.id({ required: true, description: 'Global id of the membership, `member_…`.' }),
  }),
});

builder.mutationFields((t) => ({
  memberInvite: t.field({
    type: invitePayload,
    description: 'Invites somebody to an account by mail, for a week. Only owners invite owners.',
    args: { input: t.arg({ type: inviteInput, required: true, description: 'Whom.' }) },
    resolve: async (_root, { input }, context) => {
      const payload = await runMutation(context, { mutation: 'memberInvite', input }, (tx, { reach }) =>
        inviteMember(tx, invitingReach(context, reach), {
          accountId: uuidOf('Account', input.accountId),
          email: input.email,
          role: input.role,
        }),
      );
      // After the commit: a mail for an invitation that does not exist would be worse than none.
      if (payload.value) {
        const { email, accountName, token } = payload.value;
        context.mailbox.post({
          to: email,
          subject: 'You are invited to an account at CrossModel',
          text: `You are invited to the account "${accountName}". Sign in or sign up with this e-mail address, and accept the invitation within a week with this token:\n\n${token}\n`,
        });
      }
      return payload;
    },
  }),
  invitationRevoke: t.field({
    type: revokePayload,
    description: 'Ends an invitation that nobody has accepted. Idempotent.',
    args: { input: t.arg({ type: revokeInput, required: true, description: 'Which invitation.' }) },
    resolve: (_root, { input }, context) =>
      runMutation(context, { mutation: 'invitationRevoke', input }, (tx, { reach }) =>
        revokeInvitation(tx, reach, { invitationId: uuidOf('AccountInvitation', input.invitationId) }),
      ),
  }),
  invitationAccept: t.field({
    type: acceptPayload,
    description: 'Makes the person of the session a member of the account that invited its e-mail address.',
    args: { input: t.arg({ type: acceptInput, required: true, description: 'Which invitation.' }) },
    resolve: async (_root, { input }, context) => {
      const payload = await runMutation(context, { mutation: 'invitationAccept', input }, (tx) =>
        acceptInvitation(tx, requireActor(context), { token: input.token }),
      );
      if (payload.value) context.access.joined(payload.value.accountId, payload.value.role);
      return payload;
    },
  }),
  memberRoleSet: t.field({
    type: rolePayload,
    description: 'Gives a member another role. Owners are made and unmade by owners, and one always remains.',
    args: { input: t.arg({ type: roleInput, required: true, description: 'The role.' }) },
    resolve: (_root, { input }, context) =>
      runMutation(context, { mutation: 'memberRoleSet', input }, (tx, { reach }) =>
        setMemberRole(tx, invitingReach(context, reach), {
          memberId: uuidOf('AccountMember', input.memberId),
          role: input.role,
        }),
      ),
  }),
  memberRemove: t.field({
    type: removePayload,
    description: 'Ends a membership at once. Everybody may end their own; the last owner stays.',
    args: { input: t.arg({ type: removeInput, required: true, description: 'Which membership.' }) },
    resolve: (_root, { input }, context) => {
      const actor = requireActor(context);
      return runMutation(context, { mutation: 'memberRemove', input }, (tx, { reach }) =>
        removeMember(tx, invitingReach(context, reach), {
          memberId: uuidOf('AccountMember', input.memberId),
          self: actor.kind === 'user' ? actor.userId : null,
        }),
      );
    },
  }),
}));
