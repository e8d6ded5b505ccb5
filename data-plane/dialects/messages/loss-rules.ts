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
  stream: carried(),
  'messages.text': carried('Blocks without visible characters are left out: the provider refuses them.'),
  'messages.system': mapped('System and developer prompts before the conversation become `system`.'),
  'messages.system.later': emulated('A system prompt inside the conversation becomes marked user text.'),
  'messages.name': dropped('Messages have no author names.'),
  'messages.image': carried('URL and base64; only in user messages and tool results.'),
  'messages.image.detail': dropped('Images have one level of detail.'),
  'messages.image.assistant': dropped('Assistant messages hold no images.'),
  'messages.document': carried('PDF and plain text.'),
  'messages.document.other': refused('Documents that are neither PDF nor text cannot be read.'),
  'messages.audio': refused('There is no audio input.'),
  'messages.video': refused('There is no video input.'),
  'messages.file.foreign': refused('Only the provider that stores a file can read it.'),
  'messages.reasoning': carried('Thinking and redacted thinking go back to their issuer unchanged.'),
  'messages.reasoning.foreign': dropped('Reasoning of another provider cannot be read here.'),
  'messages.tool_call': carried(),
  'messages.tool_call.custom': emulated('A free-text call becomes a call with one string parameter `input`.'),
  'messages.tool_result': carried('All results of a turn become one user message, directly after the calls.'),
  'messages.refusal': mapped('A refusal in the history becomes text.'),
  'messages.native.foreign': dropped('A block that only another provider can read.'),
  'messages.cache_control': carried(),
  'tools.function': carried(),
  'tools.function.strict': mapped('Carried while the schema can be enforced here; left out otherwise.'),
  'tools.custom': emulated('A free-text tool becomes a function with one string parameter `input`.'),
  'tools.server': carried('Tools that this provider runs itself.'),
  'tools.server.agent': dropped('Server tools that coding agents offer with every request.'),
  'tools.server.foreign': refused('A tool that another provider runs.'),
  tool_choice: mapped(
    '`required` becomes `any`; a forced call turns extended thinking off where both exclude one another.',
  ),
  parallel_tool_calls: mapped('Becomes `disable_parallel_tool_use`.'),
  max_tokens: carried("Required here: the model's own limit stands in, and is never exceeded."),
  stop: carried('Sequences of white space alone are left out.'),
  temperature: mapped('Values above 1 become 1; left out while thinking and where the model refuses it.'),
  top_p: mapped('Left out beside a temperature, while thinking and where the model refuses it.'),
  top_k: mapped('Left out while thinking and where the model refuses it.'),
  presence_penalty: dropped('No such control.'),
  frequency_penalty: dropped('No such control.'),
  seed: dropped('No such control.'),
  n: refused('There is one answer per request.'),
  logprobs: refused('Log probabilities are not told.'),
  'response_format.json_object': emulated('Asked for in the system prompt.'),
  'response_format.json_schema': mapped(
    'Becomes `output_config.format`; a schema that cannot be enforced is asked for in the system prompt.',
  ),
  verbosity: dropped('No such control.'),
  reasoning: mapped('Effort or thinking budget of 1024 to 32000 tokens, whichever the model takes.'),
  service_tier: mapped('`default` becomes `standard_only`; tiers unknown here are left out.'),
  user: mapped('Becomes `metadata.user_id`, up to 256 characters.'),
  metadata: dropped('Only an end-user id has a place.'),
  prompt_cache_key: dropped('Caching follows `cache_control`.'),
  other: dropped('Fields that only another dialect knows.'),
  'other.meaningful': refused('Fields without which the answer would mean something else.'),
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
        fault('unsupported_parameter', `'${name}' is not supported by this model: ${rule.note}`, {
          param: name,
        }),
      );
  }

  refuse(problem: Fault): void {
    this.#problem ??= problem;
  }
}
