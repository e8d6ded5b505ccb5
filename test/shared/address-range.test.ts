import { describe, expect, it } from 'vitest';
import { AddressRanges, clientAddressOf, isAddressRange, networkOf } from '#shared/address-range.ts';

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

describe('networkOf', () => {
  it.each([
    ['192.0.2.7', '192.0.2.0/24'],
    ['::ffff:10.1.2.3', '10.1.2.0/24'],
    ['2001:db8:1:2::5', '2001:db8:1::/48'],
    ['2001:0db8:0000:0000:0000:0000:0000:0005', '2001:db8::/48'],
    ['2001:db8:0:1::5', '2001:db8::/48'],
    ['2001:0:1::', '2001:0:1::/48'],
    ['fe80::1:2:3:4:5:6', 'fe80:0:1::/48'],
    ['::1', '::/48'],
    ['0:0:7::1', '0:0:7::/48'],
  ])('of %s is %s', (address, network) => {
    expect(networkOf(address)).toBe(network);
    expect(isAddressRange(network)).toBe(true);
    expect(new AddressRanges([network]).includes(address)).toBe(true);
  });
  it.each(['', 'unknown', 'fe80::1%eth0', '1.2.3'])('of %j is none', (text) =>
    expect(networkOf(text)).toBeUndefined(),
  );
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
