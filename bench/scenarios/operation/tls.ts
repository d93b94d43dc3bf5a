/** One stream over TLS 1.3: what it costs beside what grpc-js alone makes of it. */
import { GIB, MIB } from '../../../src/base/units.ts';
import { atLeast, ratioOf } from '../../harness/bar.ts';
import { loadCase, type Scenario } from '../../harness/scenario.ts';
import { overTls, whyNoCertificates } from '../../peers/operated.ts';

/** A server runs for days: compiled code is what is measured. */
const WARM_UP_BYTES = 512 * MIB;

let removeCertificate = () => {};

export const tls: Scenario = {
  name: 'tls',
  describe: 'one stream of a 1 GiB file of random bytes in the page cache over TLS 1.3, discarded',
  bars: [atLeast(1.1, ratioOf('rateMibPerSec', 'sluice', 'stock tuned'))],
  unavailable: whyNoCertificates,
  async prepare(context) {
    const size = context.quick ? GIB / 2 : GIB;
    const plan = { file: await context.files.random(size), warmUpStart: size - WARM_UP_BYTES };
    const { sluice, stockTuned, remove } = overTls();
    removeCertificate = remove;
    return [stockTuned, sluice].map((contender) => loadCase(contender.name, contender, context, plan));
  },
  async cleanUp() {
    removeCertificate();
  },
};
