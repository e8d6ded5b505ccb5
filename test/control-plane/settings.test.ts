import { describe, expect, it } from 'vitest';
import { readDatabaseUrl, readSettings, SettingsError } from '#control-plane/settings.ts';

const VALID = {
  CROSSMODEL_MODE: 'development',
  CROSSMODEL_HOME: '/var/lib/crossmodel',
  DATABASE_URL: 'postgres://user@127.0.0.1:5432/crossmodel',
  REDIS_URL: 'redis://127.0.0.1:6379/0',
  CROSSMODEL_SECRET_KEY: '00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff',
};

function problemsOf(changes: Record<string, string | undefined>): string {
  try {
    readSettings({ ...VALID, ...changes });
  } catch (error) {
    if (error instanceof SettingsError) return error.message;
    throw error;
  }
  return '';
}

describe('the settings of the control plane', () => {
  it('have defaults for what may be left out, by mode', () => {
    expect(readSettings(VALID)).toMatchObject({
      mode: 'development',
      role: 'all',
      bindAddress: '127.0.0.1',
      controlPlanePort: 4000,
      dataPlanePort: 8080,
      sandboxBaseUrl: null,
      logLevel: 'info',
      operatorToken: null,
      vendors: [],
    });
    expect(readSettings({ ...VALID, CROSSMODEL_MODE: 'production' }).bindAddress).toBe('0.0.0.0');
  });

  it.each([
    [{ CROSSMODEL_MODE: 'staging' }, 'CROSSMODEL_MODE'],
    [{ CONTROL_PLANE_ROLE: 'everything' }, 'CONTROL_PLANE_ROLE'],
    [{ CROSSMODEL_HOME: 'relative/path' }, 'CROSSMODEL_HOME'],
    [{ DATABASE_URL: undefined }, 'DATABASE_URL'],
    [{ DATABASE_URL: 'mysql://somewhere' }, 'DATABASE_URL'],
    [{ REDIS_URL: '127.0.0.1:6379' }, 'REDIS_URL'],
    [{ CONTROL_PLANE_PORT: '70000' }, 'CONTROL_PLANE_PORT'],
    [{ DATA_PLANE_PORT: 'http' }, 'DATA_PLANE_PORT'],
    [{ CROSSMODEL_SECRET_KEY: 'secret' }, 'CROSSMODEL_SECRET_KEY'],
    [{ LOG_LEVEL: 'loud' }, 'LOG_LEVEL'],
    [{ CROSSMODEL_OPERATOR_TOKEN: 'short' }, 'CROSSMODEL_OPERATOR_TOKEN'],
    [{ OPENAI_BASE_URL: 'localhost:9000' }, 'OPENAI_BASE_URL'],
    [{ GEMINI_BASE_URL: 'https://user:password@host/v1beta' }, 'GEMINI_BASE_URL'],
    [{ XAI_BASE_URL: 'https://host/v1?region=eu' }, 'XAI_BASE_URL'],
    [{ ZAI_API_KEY: 'two words' }, 'ZAI_API_KEY'],
    [{ SANDBOX_BASE_URL: 'nowhere' }, 'SANDBOX_BASE_URL'],
  ])('refuse %j and name the variable', (changes, name) => {
    expect(problemsOf(changes)).toContain(name);
  });

  it('name every problem at once and quote no value', () => {
    const problems = problemsOf({
      CROSSMODEL_SECRET_KEY: 'canary-key',
      CROSSMODEL_OPERATOR_TOKEN: 'canary token',
      OPENAI_API_KEY: 'canary credential',
    });
    expect(problems.match(/^ {2}- /gm)).toHaveLength(3);
    expect(problems).not.toContain('canary');
  });

  it('take placeholders for the secret key in development only', () => {
    const placeholder = { CROSSMODEL_SECRET_KEY: '0'.repeat(64) };
    expect(problemsOf(placeholder)).toBe('');
    expect(problemsOf({ ...placeholder, CROSSMODEL_MODE: 'production' })).toContain('placeholder');
  });

  it('refuse a sandbox in production', () => {
    const sandbox = { SANDBOX_BASE_URL: 'http://127.0.0.1:9100/v1', CROSSMODEL_MODE: 'production' };
    expect(problemsOf(sandbox)).toContain('development only');
  });

  it('read vendors that have a key, a base URL or both, without trailing slashes', () => {
    const settings = readSettings({
      ...VALID,
      OPENAI_BASE_URL: 'http://127.0.0.1:9000/v1//',
      DEEPSEEK_API_KEY: ' sk-deepseek ',
      ANTHROPIC_API_KEY: '',
      XAI_API_KEY: 'xai',
      XAI_BASE_URL: 'https://proxy.example/v1/',
    });
    expect(settings.vendors).toEqual([
      { vendorCode: 'openai', apiKey: null, baseUrl: 'http://127.0.0.1:9000/v1' },
      { vendorCode: 'deepseek', apiKey: 'sk-deepseek', baseUrl: null },
      { vendorCode: 'x-ai', apiKey: 'xai', baseUrl: 'https://proxy.example/v1' },
    ]);
  });

  it('give the migration command its one address', () => {
    expect(readDatabaseUrl({ DATABASE_URL: VALID.DATABASE_URL })).toBe(VALID.DATABASE_URL);
    expect(() => readDatabaseUrl({})).toThrow('DATABASE_URL');
  });
});
