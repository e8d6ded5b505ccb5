import {
  carried,
  dropped,
  emulated,
  type LossRule,
  type LossRules,
  mapped,
  refused,
} from '#data-plane/dialects/loss-rule.ts';
import { type Fault, fault } from '#shared/fault.ts';

/** What becomes of each feature of a turn at a provider that speaks Anthropic Messages. */
export const MESSAGES_LOSS_RULES = {
  temperature: mapped('values above 1 become 1; left out while thinking and where the model refuses it'),
  top_p: mapped('left out beside a temperature, while thinking and where the model refuses it'),
  top_k: mapped('left out while thinking and where the model refuses it'),
  presence_penalty: dropped('there is no such control'),
  frequency_penalty: dropped('there is no such control'),
  seed: dropped('there is no such control'),
  n: refused('there is one answer per request'),
  logprobs: refused('log probabilities are not told'),
  stop: mapped('`stop_sequences`; sequences of white space alone are left out'),
  max_tokens: carried("required here: the model's own limit stands in and is never exceeded"),
  'tools.function': mapped('`input_schema`; unions at its top are told in its description'),
  'tools.function.strict': mapped('carried while the schema can be enforced here, else left out'),
  'tools.custom': emulated('a function with one string parameter `input`'),
  'tools.server.own': carried(),
  'tools.server.search': dropped('agents send it as a matter of course; the model answers without it'),
  'tools.server': refused('only the provider that offers this tool can run it'),
  'tool_choice.auto': carried(),
  'tool_choice.none': carried(),
  'tool_choice.required': mapped('`any`; ends thinking within a budget, which excludes it'),
  'tool_choice.tool': mapped('`tool`; ends thinking within a budget, which excludes it'),
  parallel_tool_calls: mapped('`disable_parallel_tool_use`'),
  'response_format.json_object': emulated('asked for in the system prompt'),
  'response_format.json_schema': mapped(
    '`output_config.format`; a schema that cannot be enforced is asked for in the system prompt',
  ),
  verbosity: dropped('there is no such control'),
  'reasoning.effort': mapped('`output_config.effort`, or a thinking budget of 1024 to 32000 tokens'),
  'reasoning.mode': mapped('`thinking`: adaptive, or enabled with a budget'),
  'reasoning.budget': mapped('`thinking.budget_tokens`, 1024 to 32000, or the nearest effort'),
  'reasoning.summary': mapped('thoughts are told whenever the model thinks'),
  service_tier: mapped('`default` becomes `standard_only`; tiers unknown here are left out'),
  user: mapped('`metadata.user_id`, up to 256 characters'),
  metadata: dropped('only an end-user id has a place'),
  prompt_cache_key: dropped('caching follows `cache_control`'),
  cache_control: carried(),
  'message.name': dropped('messages have no author names'),
  'messages.system': mapped('`system` before the conversation'),
  'messages.system.later': emulated('marked text of the user'),
  'content.text': carried('blocks without visible characters are left out: the provider refuses them'),
  'content.image': carried('by URL and as data'),
  'content.image.detail': dropped('images have one level of detail'),
  'content.image.assistant': dropped('assistant messages hold no images'),
  'content.document': carried('PDF and text'),
  'content.document.other': refused('documents that are neither PDF nor text cannot be read'),
  'content.audio': refused('there is no audio input'),
  'content.video': refused('there is no video input'),
  'content.file_id.foreign': refused('only the provider that stored a file can read it'),
  'reasoning.text': dropped('thoughts without a signature of this provider are not read'),
  'reasoning.signature.own': carried(),
  'reasoning.signature.foreign': dropped('only its issuer can read it'),
  refusal: mapped('sent as text of the assistant'),
  tool_call: carried('arguments that are no object stand under `input`'),
  'tool_call.custom': emulated('a call with one string parameter `input`'),
  'tool_result.text': carried('all results come first in the message after the calls'),
  'tool_result.media': carried('images and documents'),
  'tool_result.error': mapped('`is_error`'),
  'native.own': carried(),
  'native.foreign': dropped('only the provider that wrote this block can read it'),
  'extras.own': carried('`cache_control`, `container` and `context_management` without compaction'),
  'extras.meaningful': refused('the provider has no such field'),
  'extras.other': dropped('the provider has no such field'),
} as const satisfies LossRules<string>;
export type MessagesFeature = keyof typeof MESSAGES_LOSS_RULES;

/** Server tools that coding agents list as a matter of course; the answer is sound without them. */
export const AGENT_SERVER_TOOLS: ReadonlySet<string> = new Set([
  'web_search',
  'web_search_preview',
  'tool_search',
  'image_generation',
  'local_shell',
]);

/** Fields of other dialects that change what is asked. */
export const MEANINGFUL_EXTRAS: ReadonlySet<string> = new Set([
  'audio',
  'background',
  'conversation',
  'functions',
  'function_call',
  'previous_response_id',
  'prompt',
  'web_search_options',
]);

/** Collects what a request loses on its way to this provider, each loss judged by its rule. */
export class RequestLosses {
  readonly #dropped = new Set<string>();
  #problem: Fault | undefined;

  get dropped(): readonly string[] {
    return [...this.#dropped];
  }

  get problem(): Fault | undefined {
    return this.#problem;
  }

  /** A feature that was asked for under `name` and cannot be said as it is: reported or refused, as its rule says. */
  lose(feature: MessagesFeature, name: string): void {
    const rule: LossRule = MESSAGES_LOSS_RULES[feature];
    if (rule.outcome !== 'refused') this.#dropped.add(name);
    else
      this.refuse(
        fault('unsupported_parameter', `'${name}' is not supported by this model: ${rule.note}.`, {
          param: name,
        }),
      );
  }

  refuse(problem: Fault): void {
    this.#problem ??= problem;
  }
}
