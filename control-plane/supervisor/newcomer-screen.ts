import { readFileSync } from 'node:fs';
import path from 'node:path';

/** What `dev.json` says; written by the preparation, read by scripts and by us. */
export interface DevelopmentAccess {
  readonly dataPlaneUrl: string;
  readonly graphqlUrl: string;
  readonly apiKey: string;
}

/** The model of the printed examples; the public docs use it too. */
export const EXAMPLE_MODEL = 'deepseek/deepseek-chat';

/** Reads `dev.json`. Throws when the preparation has not written it, which would be a bug of ours. */
export function readDevelopmentAccess(home: string): DevelopmentAccess {
  const content: unknown = JSON.parse(readFileSync(path.join(home, 'dev.json'), 'utf8'));
  const field = (name: keyof DevelopmentAccess): string => {
    const value: unknown =
      typeof content === 'object' && content !== null ? Reflect.get(content, name) : undefined;
    if (typeof value !== 'string') throw new Error(`dev.json has no ${name}`);
    return value;
  };
  return {
    dataPlaneUrl: field('dataPlaneUrl'),
    graphqlUrl: field('graphqlUrl'),
    apiKey: field('apiKey'),
  };
}

/** Everything a newcomer needs for the first request, in pieces that can be pasted as they are. */
export function newcomerScreen(access: DevelopmentAccess, home: string, firstToken: string): string {
  const baseUrl = `${access.dataPlaneUrl}/v1`;
  return `
CrossModel is running.

  Base URL   ${baseUrl}
  API key    ${access.apiKey}
  GraphQL    ${access.graphqlUrl}
             (send "authorization: Bearer <managementToken or operatorToken>"; both are in ${path.join(home, 'dev.json')})
  State      ${home}
  Logs       ${path.join(home, 'logs')}

Try it with curl:

curl -N ${baseUrl}/chat/completions \\
  -H "Authorization: Bearer ${access.apiKey}" \\
  -H "Content-Type: application/json" \\
  -d '{"model":"${EXAMPLE_MODEL}","stream":true,"messages":[{"role":"user","content":"Say hello in five words."}]}'

Or with the OpenAI SDK: in an empty folder, npm i openai, save this as hello.mjs, then node hello.mjs

import OpenAI from 'openai';

const client = new OpenAI({
  baseURL: '${baseUrl}',
  apiKey: '${access.apiKey}',
});
const stream = await client.chat.completions.create({
  model: '${EXAMPLE_MODEL}',
  messages: [{ role: 'user', content: 'Say hello in five words.' }],
  stream: true,
});
for await (const chunk of stream) process.stdout.write(chunk.choices[0]?.delta?.content ?? '');
process.stdout.write('\\n');

Models of vendors without a provider key are answered by the built-in sandbox; set for example OPENAI_API_KEY for real ones.
${firstToken}
Ctrl-C stops everything; the data stays.
`;
}
