import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestApi, type TestApi } from './api-fixture.ts';
import { type Browser, signUp } from './sign-in-client.ts';

let api: TestApi;
let owner: Browser;
let accountId: string;
beforeAll(async () => {
  api = await startTestApi();
  owner = (await signUp(api)).browser;
  accountId = (await owner.mutate('accountCreate', { name: 'Ours' }, 'account { id }')).account.id;
});
afterAll(() => api.close());

const tokenTo = (email: string) =>
  /cmi_\w+/.exec(api.mails.findLast((mail) => mail.to === email)?.text ?? '')?.[0];

async function invite(role: string, email: string, as = owner) {
  return await as.mutate('memberInvite', { accountId, email, role }, 'invitation { id email role }');
}

async function join(role: string): Promise<{ browser: Browser; email: string; memberId: string }> {
  const person = await signUp(api);
  await invite(role, person.email);
  const { member } = await person.browser.mutate(
    'invitationAccept',
    { token: tokenTo(person.email) },
    'member { id }',
  );
  return { ...person, memberId: member.id };
}

describe('an account of a person', () => {
  it('is owned by who opened it, and by nobody else', async () => {
    const { data } = await owner.query(
      '{ viewer { accounts { role account { id name members { nodes { role name } } } } } }',
    );
    expect(data.viewer.accounts).toEqual([
      {
        role: 'OWNER',
        account: { id: accountId, name: 'Ours', members: { nodes: [{ role: 'OWNER', name: 'Ada' }] } },
      },
    ]);
    const stranger = (await signUp(api)).browser;
    const foreign = await stranger.query(`{ account(id: "${accountId}") { id } }`);
    expect(foreign.errors[0]?.extensions?.code ?? foreign.data.account).toBe('FORBIDDEN');
  });

  it('makes working keys for its owner', async () => {
    const { apiKey, secret } = await owner.mutate(
      'apiKeyCreate',
      { accountId, name: 'Laptop' },
      'apiKey { id account { name } } secret',
    );
    expect(apiKey.account.name).toBe('Ours');
    expect(secret).toMatch(/^cm-/);
  });

  it('is not opened as a partner, nor with what only operators and partners set', async () => {
    const refusal = async (input: object) =>
      (await owner.mutate('accountCreate', { name: 'x', ...input }, 'account { id }')).userErrors;
    expect(await refusal({ kind: 'PARTNER' })).toEqual([{ code: 'FORBIDDEN', path: ['input', 'kind'] }]);
    expect(await refusal({ externalId: 'x' })).toEqual([
      { code: 'FORBIDDEN', path: ['input', 'externalId'] },
    ]);
  });
});

describe('an invitation', () => {
  it('makes the person with that address a member, once', async () => {
    const { browser, email } = await signUp(api);
    const { invitation } = await invite('DEVELOPER', email.toUpperCase());
    expect(invitation).toMatchObject({ email, role: 'DEVELOPER' });
    expect(JSON.stringify(await api.sql`select * from account_invitations`)).not.toContain(tokenTo(email));
    const eve = (await signUp(api)).browser;
    const accept = (as: Browser) =>
      as.mutate('invitationAccept', { token: tokenTo(email) }, 'member { account { id } }');
    const invalid = [{ code: 'INVITATION_INVALID', path: ['input', 'token'] }];
    expect((await accept(eve)).userErrors).toEqual(invalid);
    expect((await accept(browser)).member.account.id).toBe(accountId);
    expect((await accept(browser)).userErrors).toEqual(invalid);
    const { data } = await browser.query('{ viewer { accounts { role } } apiKeys { nodes { name } } }');
    expect(data.viewer.accounts).toEqual([{ role: 'DEVELOPER' }]);
  });

  it('is replaced by a later one, revoked and expires', async () => {
    const { browser, email } = await signUp(api);
    await invite('VIEWER', email);
    const replaced = tokenTo(email);
    const { invitation } = await invite('BILLING', email);
    const accept = async (token: string | undefined) =>
      (await browser.mutate('invitationAccept', { token }, '')).userErrors.map(
        (error: { code: string }) => error.code,
      );
    expect(await accept(replaced)).toEqual(['INVITATION_INVALID']);
    await owner.mutate('invitationRevoke', { invitationId: invitation.id }, 'invitation { revokedAt }');
    expect(await accept(tokenTo(email))).toEqual(['INVITATION_INVALID']);
    await invite('VIEWER', email);
    await api.sql`update account_invitations set expires_at = now() where email = ${email}`;
    expect(await accept(tokenTo(email))).toEqual(['INVITATION_INVALID']);
  });

  it('is refused for members, for addresses that are none, and of owners by others', async () => {
    const admin = await join('ADMIN');
    const errors = async (payload: Promise<{ userErrors: { code: string }[] }>) =>
      (await payload).userErrors.map((error) => error.code);
    expect(await errors(invite('VIEWER', admin.email))).toEqual(['ALREADY_MEMBER']);
    expect(await errors(invite('VIEWER', 'nobody'))).toEqual(['INVALID_INPUT']);
    const address = () => `${randomUUID()}@example.com`;
    expect(await errors(invite('OWNER', address(), admin.browser))).toEqual(['FORBIDDEN']);
    expect(await errors(invite('ADMIN', address(), admin.browser))).toEqual([]);
  });
});

describe('members', () => {
  it('are given another role and removed, at once', async () => {
    const { browser, memberId } = await join('VIEWER');
    const create = async () =>
      (
        await browser.query(
          `mutation { apiKeyCreate(input: { accountId: "${accountId}", name: "x" }) { secret } }`,
        )
      ).errors.map((error) => error.extensions?.code);
    expect(await create()).toEqual(['FORBIDDEN']);
    const { member } = await owner.mutate(
      'memberRoleSet',
      { memberId, role: 'DEVELOPER' },
      'member { role }',
    );
    expect(member.role).toBe('DEVELOPER');
    expect(await create()).toEqual([]);
    await owner.mutate('memberRemove', { memberId }, 'removedMemberId');
    expect(await create()).toEqual(['FORBIDDEN']);
  });

  it('leave by themselves, but nobody removes or unmakes the last owner', async () => {
    const { browser, memberId } = await join('BILLING');
    const left = await browser.mutate('memberRemove', { memberId }, 'removedMemberId');
    expect(left.removedMemberId).toBe(memberId);
    const { data } = await owner.query(`{ account(id: "${accountId}") { members { nodes { id role } } } }`);
    const last = data.account.members.nodes.find((member: { role: string }) => member.role === 'OWNER');
    const codes = async (name: string, input: object, as: Browser) =>
      (await as.mutate(name, { memberId: last.id, ...input }, '')).userErrors.map(
        (error: { code: string }) => error.code,
      );
    expect(await codes('memberRemove', {}, owner)).toEqual(['LAST_OWNER']);
    expect(await codes('memberRoleSet', { role: 'VIEWER' }, owner)).toEqual(['LAST_OWNER']);
    const admin = (await join('ADMIN')).browser;
    expect(await codes('memberRemove', {}, admin)).toEqual(['FORBIDDEN']);
    expect(await codes('memberRoleSet', { role: 'VIEWER' }, admin)).toEqual(['FORBIDDEN']);
  });
});
