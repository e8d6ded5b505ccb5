import { describe, expect, it } from 'vitest';
import { AddressRanges, clientAddressOf, isAddressRange } from '#shared/address-range.ts';

describe('isAddressRange', () => {
  it.each(['192.0.2.7', '10.0.0.0/8', '0.0.0.0/0', '2001:db8::1', '2001:db8::/32', '::ffff:10.0.0.1'])(
    'takes %s',
    (text) => expect(isAddressRange(text)).toBe(true),
  );
  it.each([
    '',
    'localhost',
    '10.0.0.0/33',
    '10.0.0.0/',
    '10.0.0.0/08',
    '1.2.3',
    '::1/129',
    '::1%eth0',
    '1.2.3.4/8/8',
  ])('refuses %s', (text) => expect(isAddressRange(text)).toBe(false));
});

describe('AddressRanges', () => {
  it('knows what is inside, however an IPv4 address is written', () => {
    const ranges = new AddressRanges(['10.0.0.0/8', '2001:db8::/32', '192.0.2.7']);
    for (const inside of ['10.255.0.1', '::ffff:10.1.2.3', '2001:db8:1::1', '192.0.2.7'])
      expect([inside, ranges.includes(inside)]).toEqual([inside, true]);
    for (const outside of ['11.0.0.1', '2001:db9::1', '192.0.2.8', 'unknown', ''])
      expect([outside, ranges.includes(outside)]).toEqual([outside, false]);
  });
});

describe('clientAddressOf', () => {
  const proxies = new AddressRanges(['10.0.0.0/8', '127.0.0.1']);

  it('believes nobody but trusted proxies, from the right', () => {
    expect(clientAddressOf('203.0.113.9', '198.51.100.1', proxies)).toBe('203.0.113.9');
    expect(clientAddressOf('127.0.0.1', '1.1.1.1, 198.51.100.1, 10.0.0.3', proxies)).toBe('198.51.100.1');
    expect(clientAddressOf('::ffff:10.0.0.1', '2001:db8::5', proxies)).toBe('2001:db8::5');
  });

  it('stays with the last address it knows where the header says nothing usable', () => {
    expect(clientAddressOf('127.0.0.1', undefined, proxies)).toBe('127.0.0.1');
    expect(clientAddressOf('127.0.0.1', 'unknown, 10.0.0.3', proxies)).toBe('10.0.0.3');
  });
});
