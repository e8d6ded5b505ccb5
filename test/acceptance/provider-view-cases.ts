import { beforeAll, describe, expect, it } from 'vitest';
import { bearer, type Customer, callV1, MOCK_MODEL, newCustomer, type Outside } from './outside.ts';

/** What only a gateway that edits bytes leaves alone: spacing, key order, number spellings, escapes, fields of tomorrow. */
const ODD_BODY =
  '{ "zz_unknown" : {"b":1.50e+2,"a":"\\u00e9\\/","10":1,"2":12345678901234567890,"nested":[{},[ ],null]},\n\t"model" : "openai/gpt-5-mini",' +
  '  "messages":[{"content":"h\\u00ed \\ud83d\\ude00","role":"user","x_extra":true}], "seed":7,"temperature":0.700,\r\n "metadata":{"k":"v"} }';

export function providerViewCases(outside: () => Outside): void {
  describe('what the provider sees', () => {
    let customer: Customer;
    beforeAll(async () => {
      customer = await newCustomer(outside());
    });

    const send = async (body: string, headers: Record<string, string> = {}) => {
      const { product, provider } = outside();
      const answer = await callV1(product, {
        path: '/v1/chat/completions',
        headers: { ...bearer(customer.apiKey), ...headers },
        body,
      });
      expect(answer.status, answer.text).toBe(200);
      const id = /"id":"(chatcmpl-mock-[0-9a-f]+)"/.exec(answer.text)?.[1] ?? '';
      const call = provider.callOf(id);
      if (!call) throw new Error(`The provider knows no completion ${id}`);
      return call;
    };

    it('is the body of the client byte for byte, but for the model name', async () => {
      const call = await send(ODD_BODY);
      expect(call.body.toString()).toBe(ODD_BODY.replace('"openai/gpt-5-mini"', '"gpt-5-mini"'));
    });

    it('is, for a stream, the same with a request for usage added', async () => {
      const call = await send(ODD_BODY.replace('"seed":7', '"stream":true'));
      const body = call.body.toString();
      expect(JSON.parse(body)).toMatchObject({
        stream: true,
        stream_options: { include_usage: true },
        model: 'gpt-5-mini',
      });
      const tail = ODD_BODY.slice(ODD_BODY.indexOf('"messages"')).replace('"seed":7', '"stream":true');
      expect(body).toContain(tail);
      expect(body).toContain(ODD_BODY.slice(1, ODD_BODY.indexOf(',\n\t"model"')));
    });

    it('keeps the other stream options of the client', async () => {
      const body = `{"model":"${MOCK_MODEL}","stream":true,"stream_options":{"include_obfuscation":false},"messages":[{"role":"user","content":"x"}]}`;
      expect(JSON.parse((await send(body)).body.toString())).toMatchObject({
        stream_options: { include_obfuscation: false, include_usage: true },
      });
    });

    it('is our credential, and nothing of the key and the headers of the client', async () => {
      const call = await send(ODD_BODY, {
        'openai-organization': 'org-of-client',
        cookie: 'session=client',
        'x-forwarded-for': '203.0.113.9',
      });
      expect(call.headers.authorization).toBe(`Bearer ${outside().providerKey}`);
      const seen = JSON.stringify(call.headers);
      for (const secret of [customer.apiKey, 'org-of-client', 'session=client', '203.0.113.9'])
        expect(seen).not.toContain(secret);
    });

    it('is the end of the request within a second when the client leaves', async () => {
      const { product, provider } = outside();
      const before = new Set(provider.book.entries.map((entry) => entry.id));
      const response = await fetch(`${product.access.dataPlaneUrl}/v1/chat/completions`, {
        method: 'POST',
        headers: { ...bearer(customer.apiKey), 'content-type': 'application/json' },
        body: JSON.stringify({
          model: MOCK_MODEL,
          stream: true,
          messages: [{ role: 'user', content: 'mock:{"chunks":1000,"chunkDelayMs":20}' }],
        }),
      });
      const reader = response.body?.getReader();
      await reader?.read();
      await reader?.cancel();
      await expect
        .poll(() => provider.book.entries.find((entry) => !before.has(entry.id))?.outcome, { timeout: 1_000 })
        .toBe('client_gone');
    });
  });
}
