import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Sandbox, startSandbox } from '#data-plane/sandbox/server.ts';
import { systemClock } from '#shared/clock.ts';
import { specFolder } from '#test/dialects/provider-recordings.ts';
import { compileGeminiSchema } from '#test/dialects/published-schemas.ts';

interface Part {
  text?: string;
  thought?: boolean;
  thoughtSignature?: string;
  functionCall?: { id?: string; name: string; args: object };
  functionResponse?: object;
}
interface Answer {
  candidates: { content: { parts?: Part[]; role: string }; finishReason?: string; index: number }[];
  usageMetadata: Record<string, number>;
  modelVersion: string;
}

let sandbox: Sandbox;
beforeAll(async () => {
  const pace = { firstTokenMs: 0, tokensPerSecond: Number.POSITIVE_INFINITY };
  sandbox = await startSandbox(0, pace, systemClock);
});
afterAll(() => sandbox.close());

const isPublished = specFolder === undefined ? undefined : compileGeminiSchema('GenerateContentResponse');
const isPublishedCount = specFolder === undefined ? undefined : compileGeminiSchema('CountTokensResponse');
const says = (text: string): object[] => [{ role: 'user', parts: [{ text }] }];
const thinking = { thinkingConfig: { thinkingLevel: 'LOW', includeThoughts: true } };
const city = { type: 'string' };
const weatherSchema = {
  type: 'object',
  properties: { city },
  required: ['city'],
  additionalProperties: false,
};
const toolsOf = (declared: object) => [{ functionDeclarations: [{ name: 'get_weather', ...declared }] }];
const tools = toolsOf({ parametersJsonSchema: weatherSchema });

function post(method: string, body: object): Promise<Response> {
  const url = `${new URL(sandbox.baseUrl).origin}/v1beta/models/gemini-3.5-flash:${method}`;
  return fetch(url, { method: 'POST', body: JSON.stringify(body) });
}

async function generate(contents: object[], extra: object = {}): Promise<Answer> {
  const response = await post('generateContent', { contents, ...extra });
  expect(response.status).toBe(200);
  return (await response.json()) as Answer;
}

async function stream(contents: object[], extra: object = {}): Promise<Answer[]> {
  const response = await post('streamGenerateContent?alt=sse', { contents, ...extra });
  const text = await response.text();
  expect(text.replaceAll('\r\n', '')).not.toContain('\n');
  return text
    .split('\r\n\r\n')
    .filter((frame) => frame !== '')
    .map((frame) => JSON.parse(frame.replace(/^data: /, '')) as Answer);
}

async function refusalOf(contents: object[], extra: object = {}) {
  const response = await post('generateContent', { contents, ...extra });
  return { status: response.status, body: (await response.json()) as { error: Record<string, unknown> } };
}

function partsOf(answer: Answer | undefined): Part[] {
  return answer?.candidates[0]?.content.parts ?? [];
}

function textOf(answers: readonly Answer[], thought = false): string {
  const parts = answers.flatMap(partsOf).filter((part) => (part.thought ?? false) === thought);
  return parts.map((part) => part.text ?? '').join('');
}

function finishOf(answer: Answer | undefined): string | undefined {
  return answer?.candidates[0]?.finishReason;
}

describe('the Gemini protocol of the sandbox', () => {
  it('streams the same words as it gives whole, and ends with the counts of the whole', async () => {
    const asked = says('Name three reasons to write tests');
    const extra = { generationConfig: thinking };
    const whole = await generate(asked, extra);
    const chunks = await stream(asked, extra);
    expect(textOf(chunks)).toBe(textOf([whole]));
    expect(textOf(chunks, true)).toBe(textOf([whole], true));
    expect(textOf([whole], true)).toContain('three reasons');
    expect(chunks.at(-1)?.usageMetadata).toEqual(whole.usageMetadata);
    expect(chunks.map(finishOf).filter((reason) => reason !== undefined)).toEqual(['STOP']);
    expect(partsOf(chunks.at(-1))[0]?.thoughtSignature?.length).toBeGreaterThan(60);
    const listed = await post('streamGenerateContent', { contents: asked, ...extra });
    expect(textOf((await listed.json()) as Answer[])).toBe(textOf([whole]));
  });

  it('counts thoughts beside the candidates and shows them only when asked', async () => {
    const asked = says('Explain streams');
    const hidden = await generate(asked, { generationConfig: { thinkingConfig: { thinkingBudget: 1024 } } });
    const { promptTokenCount, candidatesTokenCount, thoughtsTokenCount, totalTokenCount } =
      hidden.usageMetadata;
    expect(textOf([hidden], true)).toBe('');
    expect(thoughtsTokenCount).toBe(48);
    expect(totalTokenCount).toBe((promptTokenCount ?? 0) + (candidatesTokenCount ?? 0) + 48);
    const without = await generate(asked, { generationConfig: { thinkingConfig: { thinkingBudget: 0 } } });
    expect(without.usageMetadata.thoughtsTokenCount).toBeUndefined();
    expect(without.usageMetadata.candidatesTokenCount).toBe(candidatesTokenCount);
  });

  it('calls a function and tells the result that comes back under its signature', async () => {
    const asked = says("What's the weather in Paris?");
    const answer = await generate(asked, { tools });
    const [part] = partsOf(answer);
    expect(part?.functionCall).toMatchObject({ name: 'get_weather', args: { city: 'Paris' } });
    expect(finishOf(answer)).toBe('STOP');
    const response = { name: 'get_weather', response: { output: '{"celsius":18}' } };
    const told = (parts: object[]) => [
      ...asked,
      { role: 'model', parts },
      { role: 'user', parts: [{ functionResponse: response }] },
    ];
    expect(textOf([await generate(told([part ?? {}]), { tools })])).toContain(
      'get_weather returned celsius: 18',
    );
    const signedAs = (thoughtSignature: string, name = 'get_weather') =>
      refusalOf(told([{ functionCall: { name, args: {} }, thoughtSignature }]), { tools });
    const signature = part?.thoughtSignature ?? '';
    expect((await signedAs(signature.replaceAll('+', '-').replaceAll('/', '_'))).status).toBe(200);
    expect((await signedAs('skip_thought_signature_validator')).status).toBe(200);
    const altered = `${signature.startsWith('A') ? 'B' : 'A'}${signature.slice(1)}`;
    const refused = await signedAs(altered);
    expect(refused).toMatchObject({ status: 400, body: { error: { status: 'INVALID_ARGUMENT' } } });
    expect((await signedAs(signature, 'get_time')).status).toBe(400);
  });

  it('wants one response for each call', async () => {
    const call = { role: 'model', parts: [{ functionCall: { name: 'get_weather', args: {} } }] };
    const answer = { functionResponse: { name: 'get_weather', response: { output: 'x' } } };
    const unanswered = await refusalOf([...says('x'), call, ...says('y')]);
    expect(unanswered.body.error.message).toContain('equal to the number of function call parts');
    const twice = await refusalOf([...says('x'), call, { role: 'user', parts: [answer, answer] }]);
    expect(twice.status).toBe(400);
    const uncalled = await refusalOf([{ role: 'user', parts: [answer] }]);
    expect(uncalled.body.error.message).toContain('immediately after a function call turn');
  });

  it('follows the mode of function calling', async () => {
    const both = [
      {
        functionDeclarations: [
          { name: 'get_weather', parametersJsonSchema: weatherSchema },
          { name: 'get_time', parameters: { type: 'OBJECT', properties: {} } },
        ],
      },
    ];
    const called = async (text: string, functionCallingConfig: object): Promise<string[]> => {
      const answer = await generate(says(text), { tools: both, toolConfig: { functionCallingConfig } });
      return partsOf(answer).flatMap((part) => part.functionCall?.name ?? []);
    };
    expect(await called('weather in Oslo?', { mode: 'AUTO' })).toEqual(['get_weather']);
    expect(await called('weather in Oslo?', { mode: 'NONE' })).toEqual([]);
    expect(await called('Hello', { mode: 'AUTO' })).toEqual([]);
    expect(await called('Hello', { mode: 'ANY' })).toEqual(['get_weather']);
    const onlyTime = { mode: 'ANY', allowedFunctionNames: ['get_time'] };
    expect(await called('weather in Oslo?', onlyTime)).toEqual(['get_time']);
    const unknown = { functionCallingConfig: { mode: 'ANY', allowedFunctionNames: ['fly'] } };
    expect((await refusalOf(says('x'), { tools: both, toolConfig: unknown })).status).toBe(400);
  });

  it('takes JSON Schema only where Google does', async () => {
    const { additionalProperties: _, ...openApi } = weatherSchema;
    for (const type of ['object', 'OBJECT']) {
      const parameters = { ...openApi, type, properties: { city: { type: 'STRING', minLength: '2' } } };
      const answer = await generate(says('weather in Oslo?'), { tools: toolsOf({ parameters }) });
      expect(partsOf(answer)[0]?.functionCall?.args).toEqual({ city: 'Oslo' });
    }
    const refused = await refusalOf(says('x'), { tools: toolsOf({ parameters: weatherSchema }) });
    expect(refused.body.error.message).toContain('Unknown name "additionalProperties"');
  });

  it('answers in JSON for either kind of schema', async () => {
    const responseMimeType = 'application/json';
    const responseJsonSchema = { type: 'object', properties: { kind: { const: 'bug' } }, required: ['kind'] };
    const json = await generate(says('File it'), {
      generationConfig: { responseMimeType, responseJsonSchema },
    });
    expect(JSON.parse(textOf([json]))).toEqual({ kind: 'bug' });
    const responseSchema = { type: 'OBJECT', properties: { size: { type: 'INTEGER', minimum: 4 } } };
    const own = await generate(says('File it'), { generationConfig: { responseMimeType, responseSchema } });
    expect(JSON.parse(textOf([own]))).toEqual({ size: 4 });
    const free = await generate(says('File it'), { generationConfig: { responseMimeType } });
    expect(JSON.parse(textOf([free]))).toMatchObject({ sandbox: true });
    expect((await refusalOf(says('x'), { generationConfig: { responseSchema } })).status).toBe(400);
  });

  it('says why it stopped', async () => {
    const stopped = await generate(says('Explain streams'), {
      generationConfig: { stopSequences: ['sandbox'] },
    });
    expect(finishOf(stopped)).toBe('STOP');
    expect(textOf([stopped])).not.toContain('sandbox');
    const short = await generate(says('Explain streams'), { generationConfig: { maxOutputTokens: 4 } });
    expect(finishOf(short)).toBe('MAX_TOKENS');
    expect(short.usageMetadata.candidatesTokenCount).toBe(4);
    expect(finishOf(await generate(says('sandbox:filter')))).toBe('SAFETY');
    const cut = await generate(says('weather in Oslo?'), { tools, generationConfig: { maxOutputTokens: 2 } });
    expect(cut.candidates[0]).toMatchObject({ content: { role: 'model' }, finishReason: 'MAX_TOKENS' });
    expect(partsOf(cut)).toEqual([]);
  });

  it('counts cached tokens inside the prompt, and the prompt alone on request', async () => {
    const contents = says('Go on');
    const text = `${systemClock.nowMs()} All work and no play. `.repeat(400);
    const systemInstruction = { parts: [{ text }] };
    const first = await generate(contents, { systemInstruction });
    const second = await generate(contents, { systemInstruction });
    expect(first.usageMetadata.cachedContentTokenCount).toBeUndefined();
    expect(second.usageMetadata.cachedContentTokenCount).toBeGreaterThan(1024);
    expect(second.usageMetadata.promptTokenCount).toBe(first.usageMetadata.promptTokenCount);
    const generateContentRequest = { model: 'models/gemini-3.5-flash', contents, systemInstruction };
    const counted = await (await post('countTokens', { generateContentRequest })).json();
    expect(counted).toMatchObject({ totalTokens: second.usageMetadata.promptTokenCount });
    expect(await (await post('countTokens', { contents })).json()).toMatchObject({ totalTokens: 9 });
  });

  it('fails in its own language', async () => {
    expect(await refusalOf(says('sandbox:error:429'))).toMatchObject({
      status: 429,
      body: { error: { code: 429, status: 'RESOURCE_EXHAUSTED' } },
    });
    expect((await stream(says('sandbox:error:stream'))).at(-1)).toMatchObject({
      error: { code: 500, status: 'INTERNAL' },
    });
    const unread = await refusalOf([{ role: 'robot', parts: [{ text: 'x' }] }]);
    expect(unread.body.error.message).toContain('Please use a valid role: user, model.');
    const unknown = await post('embedContent', {});
    expect(await unknown.json()).toMatchObject({ error: { code: 404, status: 'NOT_FOUND' } });
  });

  it.runIf(isPublished)('satisfies the published schema (needs CROSSMODEL_SHARED)', async () => {
    const asked = ['Explain streams', 'sandbox:redacted', 'sandbox:filter', 'weather in Oslo and Paris?'];
    for (const text of asked) {
      const extra = { tools, generationConfig: { ...thinking, candidateCount: 2 } };
      for (const answer of [await generate(says(text), extra), ...(await stream(says(text), extra))])
        expect(isPublished?.(answer), JSON.stringify([answer, isPublished?.errors])).toBe(true);
    }
    const counted = await (await post('countTokens', { contents: says('Hello') })).json();
    expect(isPublishedCount?.(counted)).toBe(true);
  });
});
