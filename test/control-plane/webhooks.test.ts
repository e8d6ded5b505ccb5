import { createHmac, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { verified } from '../fakes/webhook-receiver.ts';
import { startWebhooks, type WebhookFixture } from './webhook-fixture.ts';

let hooks: WebhookFixture;
let jobs: { close(): Promise<void> };
let accountId: string;
let managementToken: string;
beforeAll(async () => {
  hooks = await startWebhooks();
  jobs = await hooks.startJobs();
  ({ accountId, managementToken } = await hooks.api.openAccount());
});
afterAll(async () => {
  await jobs.close();
  await hooks.close();
});

const URL_OF_SOMEBODY = 'https://receiver.example.com/hook';

async function create(input: object, token?: string) {
  return await hooks.api.mutate(
    'webhookEndpointCreate',
    { accountId, url: URL_OF_SOMEBODY, ...input },
    'webhookEndpoint { id url events status description failingSince disabledReason } secret',
    token,
  );
}

describe('a webhook endpoint', () => {
  it('is made with a secret that only its answer and repetitions of it show', async () => {
    const input = { idempotencyKey: randomUUID(), events: ['API_KEY_DISABLED'], description: 'Billing' };
    const first = await create(input, managementToken);
    expect(first.secret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/);
    expect(first.webhookEndpoint).toEqual({
      id: expect.stringMatching(/^hook_[0-9a-f]{32}$/),
      url: URL_OF_SOMEBODY,
      events: ['API_KEY_DISABLED'],
      status: 'ENABLED',
      description: 'Billing',
      failingSince: null,
      disabledReason: null,
    });
    expect(await create(input, managementToken)).toEqual(first);
    const [stored] = await hooks.api.sql`
      select jsonb_agg(to_jsonb(e)) || (select jsonb_agg(to_jsonb(a)) from audit_entries a) as rows
      from webhook_endpoints e`;
    expect(JSON.stringify(stored?.rows)).not.toContain(first.secret.slice('whsec_'.length));
    const [audit] = await hooks.api.sql`
      select after from audit_entries where mutation = 'webhookEndpointCreate' order by id desc limit 1`;
    expect(Object.keys(audit?.after)).not.toContain('sealed_secret');
  });

  it.each([
    ['http://receiver.example.com/', 'scheme'],
    ['https://10.0.0.1/', 'private address'],
    ['https://169.254.169.254/latest/meta-data', 'link-local address'],
    ['https://metadata.internal/', 'local name'],
    ['https://user:word@receiver.example.com/', 'credentials'],
    ['https://receiver.example.com:22/', 'port'],
    ['https://[::ffff:10.0.0.1]/', 'mapped address'],
    ['ftp://receiver.example.com/', 'other scheme'],
    ['x', 'no URL'],
  ])('is not made at %s (%s)', async (url) => {
    expect(await hooks.api.refusal('webhookEndpointCreate', { accountId, url })).toEqual([
      { code: 'INVALID_INPUT', path: ['input', 'url'] },
    ]);
    const { webhookEndpoint } = await create({});
    const changes = { webhookEndpointId: webhookEndpoint.id, url };
    expect(await hooks.api.refusal('webhookEndpointUpdate', changes)).toEqual([
      { code: 'INVALID_INPUT', path: ['input', 'url'] },
    ]);
    await hooks.api.mutate('webhookEndpointDelete', { webhookEndpointId: webhookEndpoint.id }, '');
  });

  it('hears of everything unless told otherwise, and of nothing when that is what it is told', async () => {
    const { webhookEndpoint } = await create({});
    expect(webhookEndpoint.events).toContain('BALANCE_LOW');
    expect(
      await hooks.api.refusal('webhookEndpointCreate', { accountId, url: URL_OF_SOMEBODY, events: [] }),
    ).toEqual([{ code: 'INVALID_INPUT', path: ['input', 'events'] }]);
  });

  it('is one of at most twenty of its account', async () => {
    const other = await hooks.api.openAccount();
    for (let made = 0; made < 20; made += 1) await create({ accountId: other.accountId });
    const input = { accountId: other.accountId, url: URL_OF_SOMEBODY };
    expect(await hooks.api.refusal('webhookEndpointCreate', input)).toMatchObject([
      { code: 'WEBHOOK_LIMIT_REACHED' },
    ]);
  });

  it('is listed, changed and deleted by its account and nobody else', async () => {
    const mine = await hooks.api.openAccount();
    const { webhookEndpoint } = await create({ accountId: mine.accountId });
    const list = async (token: string) =>
      (await hooks.api.call('{ webhookEndpoints { nodes { id description } } }', { token })).data
        .webhookEndpoints.nodes;
    const changes = { webhookEndpointId: webhookEndpoint.id, description: 'New' };
    expect(await hooks.api.refusal('webhookEndpointUpdate', changes, managementToken)).toMatchObject([
      { code: 'NOT_FOUND' },
    ]);
    await hooks.api.mutate('webhookEndpointUpdate', changes, '', mine.managementToken);
    expect(await list(mine.managementToken)).toEqual([{ id: webhookEndpoint.id, description: 'New' }]);
    expect(JSON.stringify(await list(managementToken))).not.toContain(webhookEndpoint.id);
    await hooks.api.mutate('webhookEndpointDelete', { webhookEndpointId: webhookEndpoint.id }, '');
    expect(await list(mine.managementToken)).toEqual([]);
    expect(await hooks.api.refusal('webhookEndpointUpdate', changes)).toMatchObject([{ code: 'NOT_FOUND' }]);
  });
});

describe('a delivery', () => {
  it('is a signed message that any library of Standard Webhooks accepts', async () => {
    const endpoint = await hooks.endpoint(accountId, ['API_KEY_DISABLED']);
    const apiKeyId = await hooks.makeKey(accountId);
    await hooks.api.mutate('apiKeyDisable', { apiKeyId }, '', managementToken);
    const [message] = await hooks.receiver.heard(endpoint.path);
    if (!message) throw new Error('Nothing was heard');
    expect(verified(message, endpoint.secret)).toEqual({
      type: 'api_key.disabled',
      timestamp: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      data: { accountId, apiKeyId },
    });
    expect(() => verified(message, `whsec_${Buffer.alloc(32).toString('base64')}`)).toThrow();
    const id = message.headers['webhook-id'];
    const key = Buffer.from(endpoint.secret.slice('whsec_'.length), 'base64');
    const signature = createHmac('sha256', key)
      .update(`${id}.${message.headers['webhook-timestamp']}.${message.body}`)
      .digest('base64');
    expect(message.headers['webhook-signature']).toBe(`v1,${signature}`);
    expect(message.headers['content-type']).toBe('application/json');
    const [delivery] = await vi.waitFor(async () => {
      const found = await hooks.deliveries(endpoint);
      expect(found).toMatchObject([{ status: 'DELIVERED' }]);
      return found;
    });
    expect(delivery).toMatchObject({
      messageId: id,
      eventType: 'api_key.disabled',
      body: message.body,
      nextAttemptAt: null,
      attempts: [{ httpStatus: 200, error: null }],
    });
  });

  it('happens once per change: none for a key that is disabled already, one per key of a bulk call', async () => {
    const own = await hooks.api.openAccount();
    const endpoint = await hooks.endpoint(own.accountId, ['API_KEY_DISABLED']);
    const keys = [await hooks.makeKey(own.accountId), await hooks.makeKey(own.accountId)];
    await hooks.api.mutate('apiKeyDisable', { apiKeyId: keys[0] }, '');
    await hooks.api.mutate('apiKeyDisable', { apiKeyId: keys[0] }, '');
    await hooks.api.mutate('apiKeysDisable', { apiKeyIds: keys }, '');
    const messages = await hooks.receiver.heard(endpoint.path, 2);
    const told = messages.map((message) => verified(message, endpoint.secret).data.apiKeyId);
    expect(told.toSorted()).toEqual(keys.toSorted());
    expect(await hooks.deliveries(endpoint)).toHaveLength(2);
  });

  it('goes to the partner of the account too, and to nobody who did not ask for its type', async () => {
    const { account: partner } = await hooks.api.mutate(
      'accountCreate',
      { name: 'Partner', kind: 'PARTNER' },
      'account { id }',
    );
    const { account: customer } = await hooks.api.mutate(
      'accountCreate',
      { name: 'Customer', partnerId: partner.id },
      'account { id }',
    );
    const ofPartner = await hooks.endpoint(partner.id, ['ACCOUNT_SUSPENDED']);
    const ofCustomer = await hooks.endpoint(customer.id, ['ACCOUNT_SUSPENDED', 'ACCOUNT_ACTIVATED']);
    const deaf = await hooks.endpoint(customer.id, ['TOP_UP_COMPLETED']);
    const stranger = await hooks.endpoint(accountId, ['ACCOUNT_SUSPENDED']);
    await hooks.api.mutate('accountSuspend', { accountId: customer.id }, '');
    await hooks.api.mutate('accountActivate', { accountId: customer.id }, '');
    const [toPartner] = await hooks.receiver.heard(ofPartner.path);
    const toCustomer = await hooks.receiver.heard(ofCustomer.path, 2);
    if (!toPartner) throw new Error('Nothing was heard');
    expect(verified(toPartner, ofPartner.secret)).toMatchObject({
      type: 'account.suspended',
      data: { accountId: customer.id },
    });
    expect(toCustomer.map((message) => verified(message, ofCustomer.secret).type).toSorted()).toEqual([
      'account.activated',
      'account.suspended',
    ]);
    expect(toCustomer.map((message) => message.headers['webhook-id'])).toContain(
      toPartner.headers['webhook-id'],
    );
    expect([await hooks.deliveries(deaf), await hooks.deliveries(stranger)]).toEqual([[], []]);
  });

  it('carries a signature by each of two secrets during a rotation, and then by the new one alone', async () => {
    const endpoint = await hooks.endpoint(accountId, ['API_KEY_DISABLED']);
    const rotated = await hooks.api.mutate(
      'webhookEndpointSecretRotate',
      { webhookEndpointId: endpoint.id, overlapHours: 1 },
      'secret webhookEndpoint { previousSecretValidUntil }',
    );
    expect(rotated.secret).not.toBe(endpoint.secret);
    const ping = async (count: number) => {
      await hooks.api.mutate('webhookEndpointTest', { webhookEndpointId: endpoint.id }, '');
      const message = (await hooks.receiver.heard(endpoint.path, count)).at(-1);
      if (!message) throw new Error('Nothing was heard');
      return message;
    };
    const both = await ping(1);
    expect(verified(both, endpoint.secret)).toEqual(verified(both, rotated.secret));
    await hooks.api.sql`update webhook_endpoints set previous_valid_until = now() - interval '1 s'
      where previous_valid_until is not null`;
    const one = await ping(2);
    expect(verified(one, rotated.secret).type).toBe('webhook_endpoint.test');
    expect(() => verified(one, endpoint.secret)).toThrow();
  });

  it('is replayed with its message id, also after it has arrived, but not to a disabled endpoint', async () => {
    const endpoint = await hooks.endpoint(accountId, ['API_KEY_DISABLED']);
    const { webhookDelivery } = await hooks.api.mutate(
      'webhookEndpointTest',
      { webhookEndpointId: endpoint.id },
      'webhookDelivery { id status eventType }',
    );
    expect(webhookDelivery).toMatchObject({ status: 'PENDING', eventType: 'webhook_endpoint.test' });
    await vi.waitFor(async () =>
      expect(await hooks.deliveries(endpoint)).toMatchObject([{ status: 'DELIVERED' }]),
    );
    const replay = { webhookDeliveryId: webhookDelivery.id };
    await hooks.api.mutate('webhookDeliveryReplay', replay, 'webhookDelivery { status }');
    const messages = await hooks.receiver.heard(endpoint.path, 2);
    expect(new Set(messages.map((message) => message.headers['webhook-id'])).size).toBe(1);
    await vi.waitFor(async () =>
      expect(await hooks.deliveries(endpoint)).toMatchObject([
        { status: 'DELIVERED', attempts: [{ httpStatus: 200 }, { httpStatus: 200 }] },
      ]),
    );
    const other = await hooks.api.openAccount();
    expect(await hooks.api.refusal('webhookDeliveryReplay', replay, other.managementToken)).toMatchObject([
      { code: 'NOT_FOUND' },
    ]);
    const disable = { webhookEndpointId: endpoint.id, status: 'DISABLED' };
    await hooks.api.mutate('webhookEndpointUpdate', disable, '');
    for (const [name, input] of [
      ['webhookDeliveryReplay', replay],
      ['webhookEndpointTest', { webhookEndpointId: endpoint.id }],
    ] as const)
      expect(await hooks.api.refusal(name, input)).toMatchObject([{ code: 'WEBHOOK_DISABLED' }]);
  });
});
