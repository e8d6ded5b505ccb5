import type { SubjectKind } from '../audit/read-subject.ts';

/** Where the audit log finds what a mutation is about: a member of its input, or of its verb's result for a new object. */
export interface AuditSubject {
  readonly kind: SubjectKind;
  readonly member: string;
}

/**
 * What each mutation changes. A mutation that changes many things at once, or nothing with an id, is logged with its input
 * and result alone.
 */
export const AUDIT_SUBJECTS: Readonly<Record<string, AuditSubject>> = {
  accountCreate: { kind: 'Account', member: 'accountId' },
  accountUpdate: { kind: 'Account', member: 'accountId' },
  accountSuspend: { kind: 'Account', member: 'accountId' },
  accountActivate: { kind: 'Account', member: 'accountId' },
  creditGrant: { kind: 'Account', member: 'accountId' },
  creditAllocate: { kind: 'Account', member: 'accountId' },
  creditReclaim: { kind: 'Account', member: 'accountId' },
  apiKeyCreate: { kind: 'ApiKey', member: 'apiKeyId' },
  apiKeyUpdate: { kind: 'ApiKey', member: 'apiKeyId' },
  apiKeyRotate: { kind: 'ApiKey', member: 'apiKeyId' },
  apiKeyDisable: { kind: 'ApiKey', member: 'apiKeyId' },
  apiKeyEnable: { kind: 'ApiKey', member: 'apiKeyId' },
  apiKeyDelete: { kind: 'ApiKey', member: 'apiKeyId' },
  modelAliasSet: { kind: 'ApiKey', member: 'apiKeyId' },
  modelAliasDelete: { kind: 'ApiKey', member: 'apiKeyId' },
  managementTokenCreate: { kind: 'ManagementToken', member: 'managementTokenId' },
  managementTokenRevoke: { kind: 'ManagementToken', member: 'managementTokenId' },
  memberInvite: { kind: 'AccountInvitation', member: 'invitationId' },
  invitationRevoke: { kind: 'AccountInvitation', member: 'invitationId' },
  invitationAccept: { kind: 'AccountMember', member: 'memberId' },
  memberRoleSet: { kind: 'AccountMember', member: 'memberId' },
  memberRemove: { kind: 'AccountMember', member: 'memberId' },
  webhookEndpointCreate: { kind: 'WebhookEndpoint', member: 'webhookEndpointId' },
  webhookEndpointUpdate: { kind: 'WebhookEndpoint', member: 'webhookEndpointId' },
  webhookEndpointDelete: { kind: 'WebhookEndpoint', member: 'webhookEndpointId' },
  webhookEndpointSecretRotate: { kind: 'WebhookEndpoint', member: 'webhookEndpointId' },
  webhookEndpointTest: { kind: 'WebhookEndpoint', member: 'webhookEndpointId' },
  webhookDeliveryReplay: { kind: 'WebhookDelivery', member: 'webhookDeliveryId' },
  alertsUpdate: { kind: 'Account', member: 'accountId' },
  alertMailSet: { kind: 'AccountMember', member: 'memberId' },
  priceSet: { kind: 'Price', member: 'priceId' },
  modelCreate: { kind: 'Model', member: 'model' },
  modelUpdate: { kind: 'Model', member: 'model' },
  modelStatusSet: { kind: 'Model', member: 'model' },
  upstreamCreate: { kind: 'Upstream', member: 'upstreamId' },
  upstreamUpdate: { kind: 'Upstream', member: 'upstreamId' },
  upstreamDelete: { kind: 'Upstream', member: 'upstreamId' },
};
