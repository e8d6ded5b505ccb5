import { type SeedModel, tier } from './seed-model.ts';

export const minimaxModels: readonly SeedModel[] = [
  {
    id: 'minimax/minimax-m2.7',
    author: 'minimax',
    displayName: 'MiniMax-M2.7',
    family: 'minimax',
    releasedOn: '2026-03-18',
    contextTokens: 204_800,
    maxOutputTokens: 131_072,
    inputModalities: ['text'],
    outputModalities: ['text'],
    capabilities: { tools: true, json: true, temperature: true, attachment: false, reasoning: {} },
    status: 'listed',
    providerModel: 'MiniMax-M2.7',
    tiers: [tier(0, { input: 330_000, output: 1_320_000, cacheRead: 66_000, cacheWrite: 420_000 })],
  },
  {
    id: 'minimax/minimax-m3',
    author: 'minimax',
    displayName: 'MiniMax-M3',
    family: 'minimax',
    releasedOn: '2026-06-01',
    contextTokens: 1_024_000,
    maxOutputTokens: 512_000,
    inputModalities: ['text', 'image', 'video'],
    outputModalities: ['text'],
    capabilities: {
      tools: true,
      json: true,
      temperature: true,
      attachment: true,
      reasoning: { toggle: true },
    },
    status: 'listed',
    providerModel: 'MiniMax-M3',
    tiers: [
      tier(0, { input: 330_000, output: 1_320_000, cacheRead: 66_000, cacheWrite: 330_000 }),
      tier(512_000, { input: 660_000, output: 2_630_000, cacheRead: 132_000, cacheWrite: 660_000 }),
    ],
  },
];
