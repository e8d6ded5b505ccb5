import { BlockList, isIP } from 'node:net';

/**
 * Addresses of the public internet, after the IANA special-purpose registries. Everything that is not known to be public
 * counts as private: networks of our own, this machine, cloud metadata, carriers' inner networks, multicast, reserved.
 */
const PRIVATE_V4: readonly (readonly [network: string, prefixBits: number])[] = [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 4],
  ['240.0.0.0', 4],
];

/** Looks public and is not: Azure answers every virtual machine here with its secrets. */
const AZURE_WIRE_SERVER = '168.63.129.16';

/**
 * What is given out to the internet at large. Mapped (`::ffff:…`), translated (`64:ff9b::`), unique local, link-local and
 * multicast addresses all lie outside of it.
 */
const GLOBAL_UNICAST_V6 = ['2000::', 3] as const;

const PRIVATE_V6: readonly (readonly [network: string, prefixBits: number])[] = [
  // Protocol assignments: Teredo carries any IPv4 address inside.
  ['2001::', 23],
  ['2001:db8::', 32],
  // 6to4 carries any IPv4 address inside.
  ['2002::', 16],
  ['3fff::', 20],
];

const privateV4 = new BlockList();
for (const [network, prefixBits] of PRIVATE_V4) privateV4.addSubnet(network, prefixBits, 'ipv4');
privateV4.addAddress(AZURE_WIRE_SERVER, 'ipv4');

const globalV6 = new BlockList();
globalV6.addSubnet(...GLOBAL_UNICAST_V6, 'ipv6');
const privateV6 = new BlockList();
for (const [network, prefixBits] of PRIVATE_V6) privateV6.addSubnet(network, prefixBits, 'ipv6');

/** Whether `address`, an IP address in its usual spelling, belongs to the public internet. Anything else is not public. */
export function isPublicAddress(address: string): boolean {
  switch (isIP(address)) {
    case 4:
      return !privateV4.check(address, 'ipv4');
    case 6:
      // A zone names an interface of this machine.
      if (address.includes('%')) return false;
      return globalV6.check(address, 'ipv6') && !privateV6.check(address, 'ipv6');
    default:
      return false;
  }
}
