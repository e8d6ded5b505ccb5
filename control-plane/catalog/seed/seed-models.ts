import { anthropicModels } from './anthropic.ts';
import { deepseekModels } from './deepseek.ts';
import { documentedExampleModels } from './documented-examples.ts';
import { geminiModels } from './gemini.ts';
import { minimaxModels } from './minimax.ts';
import { moonshotModels } from './moonshot.ts';
import { openaiModels } from './openai.ts';
import { qwenModels } from './qwen.ts';
import type { SeedModel } from './seed-model.ts';
import { tencentModels } from './tencent.ts';
import { xAiModels } from './x-ai.ts';
import { xiaomiModels } from './xiaomi.ts';
import { zAiModels } from './z-ai.ts';

/** Every model that a fresh installation starts with. */
export const SEED_MODELS: readonly SeedModel[] = [
  ...anthropicModels,
  ...deepseekModels,
  ...geminiModels,
  ...minimaxModels,
  ...moonshotModels,
  ...openaiModels,
  ...qwenModels,
  ...tencentModels,
  ...xAiModels,
  ...xiaomiModels,
  ...zAiModels,
  ...documentedExampleModels,
];
