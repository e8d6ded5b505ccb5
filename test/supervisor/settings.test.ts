import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { PROVIDER_ROWS, SETTING_ROWS, settingsAsText } from '#control-plane/supervisor/setting-table.ts';
import { type Mode, readSettings, SettingsError } from '#control-plane/supervisor/settings.ts';
import { REPOSITORY_ROOT } from '#test/rules/source-files.ts';

const KEY = '8f1c2a9e07d4b6533ec9f0a1d7285b4690ce13fd7a6248b5e1903cfa5d8276e4';
const TOKEN = 'Zx4Kq9Wm2Vb7Ld3Rn8Tg6Hy1Pc5Js0Fu';
const PRODUCTION = {
  DATABASE_URL: 'postgres://u:p@db.internal:5432/crossmodel',
  REDIS_URL: 'redis://:p@cache.internal:6379/0',
  CROSSMODEL_SECRET_KEY: KEY,
  CROSSMODEL_OPERATOR_TOKEN: TOKEN,
};

function complaints(mode: Mode, environment: Record<string, string>, roles?: string): string[] {
  try {
    readSettings(mode, environment, roles);
    return [];
  } catch (error) {
    if (error instanceof SettingsError) return error.message.split('\n');
    throw error;
  }
}

describe('settings of a start', () => {
  it('are complete without any variable in development', () => {
    const settings = readSettings('development', {});
    expect(settings).toMatchObject({
      dataPlanePort: 8080,
      controlPlanePort: 4000,
      bindAddress: '127.0.0.1',
      home: path.join(REPOSITORY_ROOT, '.crossmodel'),
      roles: ['data-plane', 'control-plane', 'workers'],
    });
  });

  it.each([
    ['DATA_PLANE_PORT', 'eighty', 'DATA_PLANE_PORT is "eighty"; allowed is a whole number from 1 to 65535.'],
    [
      'CONTROL_PLANE_PORT',
      '70000',
      'CONTROL_PLANE_PORT is "70000"; allowed is a whole number from 1 to 65535.',
    ],
    ['DATA_PLANE_PROCESSES', '0', 'DATA_PLANE_PROCESSES is "0"; allowed is a whole number from 1 to 256.'],
    [
      'LOG_LEVEL',
      'loud',
      'LOG_LEVEL is "loud"; allowed is one of trace, debug, info, warn, error, fatal, silent.',
    ],
    [
      'BIND_ADDRESS',
      'localhost',
      'BIND_ADDRESS is "localhost"; allowed is an IP address, such as 127.0.0.1 or 0.0.0.0.',
    ],
    [
      'DATABASE_URL',
      'mysql://u:hush@h/d',
      'DATABASE_URL is not a URL that begins with postgres:// or postgresql://.',
    ],
    ['OPENAI_API_KEY', 'two words', 'OPENAI_API_KEY holds a space or a character outside ASCII.'],
  ])('name %s, what was given and what is allowed', (name, value, line) => {
    expect(complaints('development', { [name]: value })).toEqual([line]);
  });

  it('are all complained about at once', () => {
    expect(complaints('development', { DATA_PLANE_PORT: 'x', LOG_LEVEL: 'y' })).toHaveLength(2);
  });

  it('refuse one port for two servers', () => {
    expect(complaints('development', { DATA_PLANE_PORT: '4000' })).toEqual([
      'DATA_PLANE_PORT and CONTROL_PLANE_PORT are both 4000; give one another port.',
    ]);
  });

  it('never show the value of a secret', () => {
    const hush = 'hush-hush';
    const text = complaints('development', {
      CROSSMODEL_SECRET_KEY: hush,
      CROSSMODEL_OPERATOR_TOKEN: hush,
      DATABASE_URL: `http://u:${hush}@h/`,
      OPENAI_API_KEY: `${hush} ${hush}`,
      OPENAI_BASE_URL: `ftp://u:${hush}@h/v1`,
    });
    expect(text).toHaveLength(5);
    expect(text.join('\n')).not.toContain(hush);
  });
});

describe('settings of the production entry', () => {
  it('suffice when the four that have no default are set', () => {
    expect(complaints('production', PRODUCTION)).toEqual([]);
    expect(readSettings('production', PRODUCTION).bindAddress).toBe('0.0.0.0');
  });

  it.each(Object.keys(PRODUCTION))('refuse to start without %s', (name) => {
    const { [name]: _left, ...rest } = { ...PRODUCTION } as Record<string, string>;
    const lines = complaints('production', rest);
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatch(new RegExp(`^${name} is not set; production needs `));
  });

  it('ask a host that only runs the data plane for no database and no operator token', () => {
    const { REDIS_URL, CROSSMODEL_SECRET_KEY } = PRODUCTION;
    expect(complaints('production', { REDIS_URL, CROSSMODEL_SECRET_KEY }, 'data-plane')).toEqual([]);
    expect(complaints('production', { REDIS_URL, CROSSMODEL_SECRET_KEY }, 'data-plane,workers')).toHaveLength(
      2,
    );
  });

  it.each([
    ['zeros', '0'.repeat(64)],
    ['a counted-up pattern', '0123456789abcdef'.repeat(4)],
    ['a repeated word', 'deadbeef'.repeat(8)],
    ['a repeated random part', '8f1c2a9e07d4b653'.repeat(4)],
  ])('refuse a secret key of %s', (_what, key) => {
    expect(complaints('production', { ...PRODUCTION, CROSSMODEL_SECRET_KEY: key })).toEqual([
      'CROSSMODEL_SECRET_KEY can be guessed. Make a random one: openssl rand -hex 32',
    ]);
  });

  it.each(['changeme-changeme-changeme-changeme', 'operator-token-for-our-installation', 'a'.repeat(40)])(
    'refuse the operator token %s',
    (token) => {
      expect(complaints('production', { ...PRODUCTION, CROSSMODEL_OPERATOR_TOKEN: token })).toEqual([
        'CROSSMODEL_OPERATOR_TOKEN can be guessed. Make a random one: openssl rand -hex 32',
      ]);
    },
  );

  it('refuse a short operator token', () => {
    expect(
      complaints('production', { ...PRODUCTION, CROSSMODEL_OPERATOR_TOKEN: TOKEN.slice(0, 31) })[0],
    ).toMatch(/^CROSSMODEL_OPERATOR_TOKEN has 31 characters; allowed are 32 to 256/);
  });

  it('refuse an unknown role', () => {
    expect(complaints('production', PRODUCTION, 'data-plane,database')).toEqual([
      '--roles is "data-plane,database"; allowed are data-plane, control-plane, workers, separated by commas.',
    ]);
  });
});

describe('the table of settings', () => {
  it('is in the README, row by row', () => {
    const readme = readFileSync(path.join(REPOSITORY_ROOT, 'README.md'), 'utf8');
    const missing = SETTING_ROWS.filter(
      ({ name, allowed, fallback, meaning }) =>
        !readme.includes(`| \`${name}\` | ${meaning} | ${allowed} | ${fallback} |`),
    );
    expect(missing.map(({ name }) => name)).toEqual([]);
    for (const { name } of PROVIDER_ROWS) expect(readme).toContain(name.replace(/_(API_KEY|BASE_URL)$/, ''));
  });

  it('is what --help prints', () => {
    for (const { name } of [...SETTING_ROWS, ...PROVIDER_ROWS]) expect(settingsAsText()).toContain(name);
  });
});
