/** The setting `limits.trustedProxies`: addresses and blocks, separated by commas. */
import { isAddressBlock } from '../base/peer-address.ts';

export function trustedProxiesOf(text: string): string[] {
  return text
    .split(',')
    .map((block) => block.trim())
    .filter((block) => block !== '');
}

/** One problem for each block that is none. */
export function trustedProxyProblems(text: string): string[] {
  return trustedProxiesOf(text)
    .filter((block) => !isAddressBlock(block))
    .map(
      (block) =>
        `limits.trustedProxies: ${block} is neither an address nor a block of addresses; write 192.0.2.7 or 10.0.0.0/8`,
    );
}
