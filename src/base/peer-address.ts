/**
 * What counts as one peer: the address of the socket, for IPv6 its /64. Clients
 * of a trusted proxy or a Unix socket share an address and each count alone.
 */
import { BlockList, isIP } from 'node:net';

export class PeerAddresses {
  readonly #trusted = new BlockList();
  /** A closed socket has forgotten its address. */
  readonly #known = new WeakMap<object, string | null>();

  /** @param trustedProxies addresses and CIDR blocks, as `isAddressBlock` accepts them */
  constructor(trustedProxies: readonly string[] = []) {
    for (const block of trustedProxies) addTo(this.#trusted, block);
  }

  /** What the peer of `socket` is counted by; null: it is not counted with others. */
  of(socket: { readonly remoteAddress?: string | undefined }): string | null {
    let known = this.#known.get(socket);
    if (known === undefined) {
      known = this.#keyOf(socket.remoteAddress);
      this.#known.set(socket, known);
    }
    return known;
  }

  #keyOf(remoteAddress: string | undefined): string | null {
    if (remoteAddress === undefined) return null;
    const address = unmapped(remoteAddress);
    const version = isIP(address);
    if (version === 0) return null;
    if (this.#trusted.check(address, version === 4 ? 'ipv4' : 'ipv6')) return null;
    return version === 4 ? address : prefix64(address);
  }
}

/** Address and port of a peer, for the log. */
export function writePeer({
  remoteAddress,
  remotePort,
}: {
  readonly remoteAddress?: string | undefined;
  readonly remotePort?: number | undefined;
}): string {
  return remoteAddress === undefined ? 'unknown' : `${remoteAddress}:${remotePort}`;
}

/** Whether a peer counts by an address of the loopback interface. */
export function isLoopbackKey(key: string): boolean {
  return key.startsWith('127.') || key === LOOPBACK_V6;
}

/** Whether text is an address, or a CIDR block such as 10.0.0.0/8. */
export function isAddressBlock(text: string): boolean {
  try {
    addTo(new BlockList(), text);
    return true;
  } catch {
    return false;
  }
}

function addTo(list: BlockList, block: string): void {
  const [, address = '', bits] = /^([^/]*)(?:\/(\d+))?$/.exec(block) ?? [];
  const type = isIP(address) === 6 ? 'ipv6' : 'ipv4';
  if (bits === undefined) list.addAddress(address, type);
  else list.addSubnet(address, Number(bits), type);
}

/** An IPv4 peer of a socket for both versions: `::ffff:192.0.2.1`. */
function unmapped(address: string): string {
  const [plain = ''] = address.split('%');
  return /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(plain)?.[1] ?? plain;
}

/** The first four of eight groups: one network, and often one client. */
function prefix64(address: string): string {
  const [before = [], after] = address.split('::').map((side) => (side === '' ? [] : side.split(':')));
  const zeros = after === undefined ? 0 : 8 - before.length - after.length;
  const groups = [...before, ...Array<string>(zeros).fill('0'), ...(after ?? [])];
  return `${groups
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(':')}::/64`;
}

/** As `::1` counts. */
const LOOPBACK_V6 = prefix64('::1');
