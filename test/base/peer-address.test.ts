import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isAddressBlock, PeerAddresses } from '../../src/base/peer-address.ts';

const of = (remoteAddress: string | undefined, trusted: string[] = []) =>
  new PeerAddresses(trusted).of(remoteAddress === undefined ? {} : { remoteAddress });

describe('the address of a peer', () => {
  it('is that of the socket for IPv4, also on a socket for both versions', () => {
    assert.equal(of('192.0.2.7'), '192.0.2.7');
    assert.equal(of('::ffff:192.0.2.7'), '192.0.2.7');
  });

  it('is the /64 for IPv6, however the address is written', () => {
    assert.equal(of('2001:db8:1:2:3:4:5:6'), '2001:db8:1:2::/64');
    assert.equal(of('2001:db8:1:2::9'), '2001:db8:1:2::/64');
    assert.equal(of('2001:0db8:1:0002::'), '2001:db8:1:2::/64');
    assert.equal(of('2001:db8::5'), '2001:db8:0:0::/64');
    assert.equal(of('fe80::1%eth0'), 'fe80:0:0:0::/64');
    assert.equal(of('::1'), '0:0:0:0::/64');
    assert.equal(of('::1:2:3:4:5:6:7'), '0:1:2:3::/64');
  });

  it('is none for peers of a Unix socket, who cannot be told apart', () => {
    assert.equal(of(undefined), null);
  });

  it('is none behind a trusted proxy, named by address or block', () => {
    const trusted = ['192.0.2.7', '10.0.0.0/8', '2001:db8::/32'];
    assert.equal(of('192.0.2.7', trusted), null);
    assert.equal(of('::ffff:10.1.2.3', trusted), null);
    assert.equal(of('2001:db8:9::1', trusted), null);
    assert.equal(of('192.0.2.8', trusted), '192.0.2.8');
  });

  it('stays what it was when the socket is closed and has forgotten it', () => {
    const peers = new PeerAddresses();
    const socket: { remoteAddress?: string } = { remoteAddress: '192.0.2.7' };
    peers.of(socket);
    delete socket.remoteAddress;
    assert.equal(peers.of(socket), '192.0.2.7');
  });

  it('accepts addresses and blocks, and nothing else, as trusted', () => {
    for (const good of ['192.0.2.7', '10.0.0.0/8', '::1', '2001:db8::/32'])
      assert.ok(isAddressBlock(good), good);
    for (const bad of ['', 'proxy.example', '10.0.0.0/33', '10.0.0.0/', '10.0.0.0/8/8', '10.0.0/8', '/8']) {
      assert.ok(!isAddressBlock(bad), bad);
    }
  });
});
