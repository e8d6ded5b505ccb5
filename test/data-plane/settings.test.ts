import { describe, expect, it } from 'vitest';
import { readSettings } from '#data-plane/settings.ts';

const GIVEN = {
  CROSSMODEL_HOME: '/var/lib/crossmodel',
  REDIS_URL: 'redis://127.0.0.1:6379',
  CROSSMODEL_SECRET_KEY: 'ab'.repeat(32),
};

describe('the settings of a data plane', () => {
  it('have defaults for everything but the state folder, Redis and the key', () => {
    expect(readSettings(GIVEN)).toMatchObject({
      mode: 'development',
      bindAddress: '127.0.0.1',
      port: 8080,
      slot: 0,
      slotCount: 1,
      snapshotBootWaitMs: 2_000,
      snapshotMaxAgeMs: 86_400_000,
      outageAllowanceNano: 100_000_000n,
      bodyLimits: { maxBodyBytes: 33_554_432 },
      silenceLimits: { keepAliveAfterMs: 9_000 },
      spoolDurable: false,
    });
  });

  it('listen on every interface in production unless told otherwise', () => {
    expect(readSettings({ ...GIVEN, CROSSMODEL_MODE: 'production' }).bindAddress).toBe('0.0.0.0');
    const told = { ...GIVEN, CROSSMODEL_MODE: 'production', BIND_ADDRESS: '10.0.0.1' };
    expect(readSettings(told).bindAddress).toBe('10.0.0.1');
  });

  it.each([
    ['CROSSMODEL_HOME', 'relative/path'],
    ['REDIS_URL', 'http://127.0.0.1'],
    ['CROSSMODEL_SECRET_KEY', 'short'],
    ['DATA_PLANE_PORT', '70000'],
    ['MAX_BODY_BYTES', 'many'],
    ['SPOOL_FSYNC', 'perhaps'],
    ['KEEP_ALIVE_AFTER_MS', '0'],
  ])('name %s when it is wrong, without repeating it', (name, value) => {
    expect(() => readSettings({ ...GIVEN, [name]: value })).toThrow(name);
    expect(() => readSettings({ ...GIVEN, CROSSMODEL_SECRET_KEY: 'not-a-key-canary' })).toThrow(
      expect.objectContaining({ message: expect.not.stringContaining('canary') }),
    );
  });

  it('name everything that is missing at once', () => {
    expect(() => readSettings({})).toThrow(/CROSSMODEL_HOME[\s\S]*REDIS_URL[\s\S]*CROSSMODEL_SECRET_KEY/);
  });
});
