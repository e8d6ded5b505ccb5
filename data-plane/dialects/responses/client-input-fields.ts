import { clientFields } from '#data-plane/dialects/client-field.ts';

const whole = { whole: true } as const;
const beyondSchema = { beyondSchema: true } as const;

/** Items that only their provider can read. */
const NATIVE_ITEMS = [
  'file_search_call',
  'computer_call',
  'computer_call_output',
  'web_search_call',
  'tool_search_call',
  'tool_search_output',
  'additional_tools',
  'compaction',
  'compaction_trigger',
  'image_generation_call',
  'code_interpreter_call',
  'local_shell_call',
  'local_shell_call_output',
  'shell_call',
  'shell_call_output',
  'apply_patch_call',
  'apply_patch_call_output',
  'mcp_list_tools',
  'mcp_approval_request',
  'mcp_approval_response',
  'mcp_call',
  'program',
  'program_output',
];
const OUTPUTS = 'function_call_output|custom_tool_call_output';
const CALLS = 'function_call|custom_tool_call';

const AUDIO_MEMBERS = ['input_audio.data', 'input_audio.format', 'data', 'format'];

/** Pieces that messages and outputs of tools may hold. */
const CONTENT_FIELDS = ['input[message].content', `input[${OUTPUTS}].output`].flatMap((list) =>
  clientFields([
    [`${list}[input_text].text`, 'content.text'],
    [`${list}[input_image].image_url`, 'content.image', { members: ['url'] }],
    [`${list}[input_image].file_id`, 'file_id.openai.image'],
    [`${list}[input_image].detail`, 'content.image.detail', { neutral: ['auto'] }],
    [`${list}[input_file].file_data`, 'content.document'],
    [`${list}[input_file].file_url`, 'content.document.url'],
    [`${list}[input_file].file_id`, 'file_id.openai'],
    [`${list}[input_file].filename`, 'content.document.title'],
    [`${list}[input_file].detail`, 'extras.other', { neutral: ['auto'] }],
    [`${list}[].prompt_cache_breakpoint`, 'cache_control', { members: ['mode'] }],
  ]),
);

/** Fields of `input`, item by item. */
export const INPUT_FIELDS = [
  ...CONTENT_FIELDS,
  ...clientFields([
    ['input', 'content.text', { note: 'a text alone is a message of the user' }],
    ['input[message]', 'structure'],
    ['input[message].role', 'structure'],
    ['input[message].content', 'content.text'],
    ['input[message].phase', 'message.phase'],
    ['input[message].id', 'extras.other'],
    ['input[message].status', 'extras.other'],
    ['input[message].content[output_text].text', 'content.text'],
    ['input[message].content[output_text].annotations', 'extras.other', whole],
    ['input[message].content[output_text].logprobs', 'extras.other', whole],
    ['input[message].content[refusal].refusal', 'refusal'],
    ['input[message].content[input_audio]', 'content.audio', { members: AUDIO_MEMBERS, beyondSchema: true }],
    ['input[message].content[input_video]', 'content.video', { members: ['video_url'], beyondSchema: true }],
    ['input[message].content[text|summary_text|reasoning_text].text', 'content.text', beyondSchema],
    ['input[reasoning]', 'structure'],
    ['input[reasoning].status', 'extras.other'],
    ['input[reasoning].encrypted_content', 'reasoning.signature.foreign'],
    ['input[reasoning].id', 'reasoning.signature.foreign'],
    ['input[reasoning].summary', 'structure'],
    ['input[reasoning].summary[summary_text].text', 'reasoning.text'],
    ['input[reasoning].content', 'structure'],
    ['input[reasoning].content[reasoning_text].text', 'reasoning.text'],
    ['input[function_call]', 'tool_call'],
    ['input[custom_tool_call]', 'tool_call.custom'],
    ['input[function_call].arguments', 'tool_call'],
    ['input[custom_tool_call].input', 'tool_call.custom'],
    ['input[function_call].name', 'tool_call'],
    ['input[custom_tool_call].name', 'tool_call.custom'],
    [`input[${CALLS}].call_id`, 'tool_call.id'],
    [`input[${CALLS}].namespace`, 'tools.namespace'],
    [`input[${OUTPUTS}]`, 'structure'],
    [`input[${OUTPUTS}].output`, 'tool_result.text'],
    [`input[${OUTPUTS}].call_id`, 'tool_call.id'],
    ['input[function_call_output].name', 'extras.other'],
    ['input[function_call_output].namespace', 'extras.other'],
    [`input[${CALLS}|${OUTPUTS}].id`, 'extras.other'],
    [`input[${CALLS}|${OUTPUTS}].status`, 'extras.other'],
    [`input[${CALLS}|${OUTPUTS}].caller`, 'extras.other', whole],
    [`input[${CALLS}|${OUTPUTS}].caller(direct)`, 'structure', whole],
    [
      'input[item_reference]',
      'refused',
      { whole: true, note: 'nothing is stored here: send the item itself' },
    ],
    ...NATIVE_ITEMS.map((type) => [`input[${type}]`, 'native.foreign', whole] as const),
  ]),
];
