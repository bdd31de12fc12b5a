import { lookup as systemLookup } from 'node:dns';
import type { LookupFunction } from 'node:net';
import ipaddr from 'ipaddr.js';

/** A name that resolves to addresses of which none may be talked to. */
export class RefusedAddress extends Error {
  override name = 'RefusedAddress';
  readonly address: string;
  /** What kind of address it is, such as `loopback`. */
  readonly kind: string;

  constructor(address: string, kind: string) {
    super(`${address} is no public address (${kind})`);
    this.address = address;
    this.kind = kind;
  }
}

/**
 * Why a literal address must not be talked to on behalf of data, such as `loopback` or `private`; undefined for a public
 * one and for a name. Everything that is set apart in the registries of IANA counts, and so does IPv4 wrapped in IPv6
 * (mapped, NAT64, 6to4, Teredo), which would lead around a check of the IPv4 address.
 *
 * @param host A host as a URL has it: IPv6 in brackets or without.
 */
export function refusedAddress(host: string): string | undefined {
  const literal = host.startsWith('[') ? host.slice(1, -1) : host;
  if (!ipaddr.isValid(literal)) return undefined;
  const address = ipaddr.parse(literal);
  const range = address.range();
  if (range !== 'unicast') return range;
  // Outside 2000::/3 nothing is given out to hosts of the public network.
  const first = address.toByteArray()[0] ?? 0;
  return address.kind() === 'ipv6' && first >> 5 !== 1 ? 'reserved' : undefined;
}

/**
 * Resolves names for a socket that is about to connect, and hands it only addresses that are public. The check stands
 * between resolving and connecting, so a name that changes its address meanwhile gains nothing by it.
 *
 * @param resolve Default: the system's own.
 */
export function guardedLookup(resolve: typeof systemLookup = systemLookup): LookupFunction {
  return (hostname, options, callback) => {
    resolve(hostname, { ...options, all: true }, (error, addresses) => {
      if (error !== null) return callback(error, '');
      const allowed = addresses.filter(({ address }) => refusedAddress(address) === undefined);
      const [first] = allowed;
      if (first === undefined) {
        const address = addresses[0]?.address ?? hostname;
        return callback(new RefusedAddress(address, refusedAddress(address) ?? 'none'), '');
      }
      if (options.all === true) callback(null, allowed);
      else callback(null, first.address, first.family);
    });
  };
}
