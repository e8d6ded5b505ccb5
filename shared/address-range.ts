import { BlockList, isIP, SocketAddress } from 'node:net';

const MAPPED_V4 = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i;
const BITS = { ipv4: 32, ipv6: 128 } as const;

interface AddressRange {
  readonly address: string;
  readonly family: keyof typeof BITS;
  readonly prefixBits: number;
}

/** An IPv4 address that is written as an IPv6 one, as dual-stack sockets do, becomes plain; others stay. */
export function plainAddress(address: string): string {
  return MAPPED_V4.exec(address)?.[1] ?? address;
}

/** Reads an address or a CIDR range (`192.0.2.7`, `10.0.0.0/8`, `2001:db8::/32`); `undefined` for anything else. */
function parseAddressRange(text: string): AddressRange | undefined {
  const [address = '', bits, ...rest] = text.split('/');
  const version = isIP(address);
  if (version === 0 || rest.length > 0 || address.includes('%')) return undefined;
  const family = version === 4 ? 'ipv4' : 'ipv6';
  if (bits === undefined) return { address, family, prefixBits: BITS[family] };
  if (!/^(0|[1-9]\d{0,2})$/.test(bits) || Number(bits) > BITS[family]) return undefined;
  return { address, family, prefixBits: Number(bits) };
}

/**
 * The network that an address is in, wide enough to name a place and no person: `192.0.2.0/24`, `2001:db8:1::/48`.
 * `undefined` for text that is no address.
 */
export function networkOf(address: string): string | undefined {
  const plain = plainAddress(address);
  const version = isIP(plain);
  if (version === 4) return `${plain.slice(0, plain.lastIndexOf('.'))}.0/24`;
  if (version !== 6 || plain.includes('%')) return undefined;
  const [left = '', right] = new SocketAddress({ address: plain, family: 'ipv6' }).address.split('::');
  const head = left === '' ? [] : left.split(':');
  // A gap stands for as many zeros as are missing, so it may begin before the third group or after it.
  const tail = right === undefined || right === '' ? [] : right.split(':');
  const gap = right === undefined ? [] : new Array<string>(8 - head.length - tail.length).fill('0');
  const groups = [...head, ...gap, ...tail].slice(0, 3);
  while (groups.at(-1) === '0') groups.pop();
  return `${groups.join(':')}::/48`;
}

/** True for an address or a CIDR range of either family. */
export function isAddressRange(text: string): boolean {
  return parseAddressRange(text) !== undefined;
}

/** A set of addresses and CIDR ranges. What is not one in the list is ignored: check with {@link isAddressRange} first. */
export class AddressRanges {
  readonly #list = new BlockList();

  constructor(ranges: Iterable<string>) {
    for (const text of ranges) {
      const range = parseAddressRange(text);
      if (range) this.#list.addSubnet(range.address, range.prefixBits, range.family);
    }
  }

  /** False for text that is no address. */
  includes(address: string): boolean {
    const plain = plainAddress(address);
    const version = isIP(plain);
    return version !== 0 && this.#list.check(plain, version === 4 ? 'ipv4' : 'ipv6');
  }
}

/**
 * The address of the client behind proxies: the nearest one of `x-forwarded-for` that no trusted proxy has, read from the
 * right; the connection's own address where that is not a trusted proxy. What a client writes itself is never believed.
 */
export function clientAddressOf(
  connectionAddress: string,
  forwardedFor: string | undefined,
  trustedProxies: AddressRanges,
): string {
  let address = plainAddress(connectionAddress);
  const hops = (forwardedFor ?? '').split(',').map((hop) => hop.trim());
  while (trustedProxies.includes(address)) {
    const hop = hops.pop();
    if (hop === undefined || isIP(hop) === 0) return address;
    address = plainAddress(hop);
  }
  return address;
}
