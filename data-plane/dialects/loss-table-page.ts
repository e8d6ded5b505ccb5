import type { Dialect, ProviderProtocol } from '#shared/usage-record.ts';
import type { ClientField } from './client-field.ts';
import type { LossRule } from './loss-rule.ts';
import { CLIENT_FIELDS, lossCell, vendorDepartures } from './loss-table.ts';

const PROTOCOLS: readonly ProviderProtocol[] = ['chat', 'responses', 'messages', 'gemini'];
const CLIENT_TITLES: Readonly<Record<Dialect, string>> = {
  chat: 'Chat Completions clients',
  responses: 'Responses clients',
  messages: 'Messages clients',
};
const PROTOCOL_TITLES: Readonly<Record<ProviderProtocol, string>> = {
  chat: 'OpenAI Chat Completions',
  responses: 'OpenAI Responses',
  messages: 'Anthropic Messages',
  gemini: 'Gemini generateContent',
};

const INTRODUCTION = `# What becomes of each request field

Made from the code's own rules by \`npm run docs:loss\`; a test fails when this page is stale, and another proves each cell by
what a recording provider received.

A provider that speaks the client's own dialect gets the client's bytes (the **forward lane**): every field arrives as it was
sent, fields unknown to this page included. Only the model's name and limits that the gateway watches are written in, and
thoughts of other issuers are taken out and named. The tables below are about all other pairs (the **translate lane**).

| word | meaning |
|---|---|
| carried | arrives under its own value |
| mapped | arrives in the provider's own words |
| emulated | has its effect by other means |
| dropped | does not arrive, and is named in the response header \`x-crossmodel-dropped\` |
| refused | answered with 400 \`unsupported_parameter\` naming the field; no provider is asked |

\`x-crossmodel-dropped\` lists paths in the client's own words, as in \`messages[2].content[0].cache_control, top_k\`: at most
1000 characters, ids and states of history last, \`+3 more\` at its end for what did not fit. Values that ask for what is done
anyway (\`n: 1\`, \`store: false\`) are not named. Fields that this page does not list are dropped and named, at any depth. A
\`anthropic-beta\` header is named like a field.

Paths: \`a[x]\` are the elements of type (or role) \`x\` of a list, \`a(x)\` is the object when its type is \`x\`, \`a=x\` the value
\`x\`. A field stands for everything inside it that is not listed on its own; fields that only hold others or tell their kind
are left out. Fields marked with * are not in the published schema, but vendors and clients of the dialect use them.

Reasoning state (signatures, encrypted items, thought signatures) that a provider issued through this gateway goes back to the
same provider through every dialect, whatever the tables say of foreign state. Where a model lacks an ability that its protocol
has (sampling, reasoning, output schemas), the field is dropped and named, or told in words.
`;

/** The published loss table, whole. */
export function lossTablePage(): string {
  const clients = (['chat', 'responses', 'messages'] as const).map(clientSection);
  return [INTRODUCTION, ...clients, vendorSection()].join('\n');
}

function clientSection(client: Dialect): string {
  const protocols = PROTOCOLS.filter((protocol) => protocol !== client);
  const head = ['fields', ...protocols.map((protocol) => PROTOCOL_TITLES[protocol])];
  const rows = [...grouped(CLIENT_FIELDS[client].fields)].flatMap((fields) => {
    const [first] = fields;
    if (first === undefined || first.asks === 'structure') return [];
    const cells = protocols.map((protocol) => cellText(lossCell(client, first.asks, protocol)));
    const note = first.note === undefined ? '' : `<br>(${first.note})`;
    return [[`${fields.map(fieldText).join('<br>')}${note}`, ...cells]];
  });
  return `## ${CLIENT_TITLES[client]}\n\n${table(head, rows)}`;
}

/** Fields that share their fate, in the order of their first. */
function grouped(fields: readonly ClientField[]): Iterable<readonly ClientField[]> {
  const groups = new Map<string, ClientField[]>();
  for (const field of fields) {
    const key = `${field.asks} ${field.note ?? ''}`;
    const group = groups.get(key) ?? [];
    group.push(field);
    groups.set(key, group);
  }
  return groups.values();
}

function fieldText({ path, beyondSchema }: ClientField): string {
  return `\`${path.replaceAll('|', '\\|')}\`${beyondSchema === true ? '*' : ''}`;
}

function cellText(rule: LossRule | undefined): string {
  if (rule === undefined) return '';
  return rule.note === '' ? rule.outcome : `${rule.outcome}: ${rule.note}`;
}

function vendorSection(): string {
  const rows = [...vendorDepartures()].flatMap(([vendor, departures]) => {
    const byRule = new Map<string, string[]>();
    for (const [feature, rule] of departures) {
      const text = cellText(rule);
      byRule.set(text, [...(byRule.get(text) ?? []), `\`${feature.replace('extras.', '')}\``]);
    }
    return [...byRule].map(([text, features]) => [vendor, features.join(', '), text]);
  });
  const words = `## Vendors of the chat family

The column for Chat Completions says what OpenAI's own API does. These vendors do otherwise for clients of other dialects, in
the words of the gateway's own turn.
`;
  return `${words}\n${table(['vendor', 'feature', 'instead'], rows)}`;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return `${[line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n')}\n`;
}
