// host-names.ts: names from the host's files, and ip-text.ts: addresses and masks.

import {
  formatAddress,
  maskPrefix,
  parseIpv4,
  parseIpv6,
  prefixMask,
  wholeNumber,
} from '../../src/iptables/text/addresses.js';
import { hostNames } from '../../src/iptables/text/host-names.js';
import { assert, suite } from '../support/harness.js';

const test = suite('iptables names');

const files: Record<string, string> = {
  '/etc/protocols': '# none\nip 0 IP\ntcp 99 TCP # the built-in table wins\ndccp 33 DCCP\nx 200\n',
  '/etc/services': 'ssh 22/tcp\ndomain 53/tcp\ndomain 54/udp\nhttp 80/tcp www\n',
  '/etc/passwd': 'root:x:0:0::/:/bin/sh\nme:x:1000:7::/:\n',
  '/etc/group': 'wheel:x:10:me\n',
  '/etc/xtables/connlabel.conf': '0 eth0-in\n# no\n5 web\n',
  '/etc/iproute2/rt_realms': '0x10 far\n',
  '/etc/iproute2/group': '1 lan\n',
};

test('names and numbers both ways', () => {
  const reads: string[] = [];
  const names = hostNames((path) => {
    reads.push(path);
    return files[path];
  });
  assert.equal(reads, [], 'nothing is read before it is needed');
  assert.is(names.protocolNumber('tcp'), 6);
  assert.equal(reads, [], 'the built-in table needs no file');
  assert.is(names.protocolNumber('DCCP'), 33);
  assert.is(names.protocolNumber('constructor'), undefined);
  assert.is(names.protocolName(6), 'tcp');
  assert.is(names.protocolName(58), 'ipv6-icmp');
  assert.is(names.protocolName(33), 'dccp');
  assert.is(names.protocolName(135), 'mh');
  assert.is(names.protocolName(201), undefined);
  assert.is(names.servicePort('domain', 'udp'), 54);
  assert.is(names.servicePort('domain'), 53);
  assert.is(names.servicePort('www', 'tcp'), 80);
  assert.is(names.servicePort('ssh', 'udp'), undefined);
  assert.is(names.userId('me'), 1000);
  assert.is(names.groupId('wheel'), 10);
  assert.is(names.connlabel('web'), 5);
  assert.is(names.connlabelName(0), 'eth0-in');
  assert.is(names.realm('far'), 16);
  assert.is(names.realmName(16), 'far');
  assert.is(names.deviceGroupName(1), 'lan');
  assert.is(reads.filter((path) => path === '/etc/services').length, 1, 'each file is read once');
});

test('a host without the files has numbers', () => {
  const names = hostNames(() => undefined);
  assert.is(names.protocolName(6), 'tcp');
  assert.is(names.protocolName(33), undefined);
  assert.is(names.servicePort('ssh'), undefined);
  assert.is(names.connlabelName(0), undefined);
});

test('IPv6 text is that of glibc', () => {
  for (const [text, printed] of [
    ['::', '::'],
    ['::1', '::1'],
    ['::1.2.3.4', '::1.2.3.4'],
    ['::ffff:1.2.3.4', '::ffff:1.2.3.4'],
    ['0:0:1::', '0:0:1::'],
    ['1:0:0:2:0:0:0:3', '1:0:0:2::3'],
    ['1:0:0:2:3:0:0:4', '1::2:3:0:0:4'],
    ['1:0:2:3:4:5:6:7', '1:0:2:3:4:5:6:7'],
    ['FE80::A', 'fe80::a'],
  ] as const) {
    assert.is(formatAddress(parseIpv6(text)!), printed);
  }
  for (const bad of ['', '1', '1::2::3', 'g::', '::1%lo', '1:2:3:4:5:6:7', '::1.2.3']) {
    assert.is(parseIpv6(bad), undefined, bad);
  }
});

test('IPv4 text, masks and numbers of C', () => {
  assert.is(formatAddress(parseIpv4('1.2.3.4')!), '1.2.3.4');
  assert.is(parseIpv4('1.2.3'), undefined);
  assert.is(formatAddress(parseIpv4('10.1', true)!), '10.1.0.0');
  assert.is(formatAddress(parseIpv4('256', true)!), '0.0.1.0');
  assert.is(parseIpv4('1.2.3.256'), undefined);
  assert.is(maskPrefix(prefixMask(13, 'ipv4')), 13);
  assert.is(maskPrefix(prefixMask(128, 'ipv6')), 128);
  assert.is(maskPrefix(Uint8Array.of(255, 0, 255, 0)), undefined);
  assert.is(wholeNumber('0x10', 255), 16);
  assert.is(wholeNumber('010', 255), 8);
  assert.is(wholeNumber('08', 255), undefined);
  assert.is(wholeNumber('-1', 255), undefined);
  assert.is(wholeNumber('256', 255), undefined);
  assert.is(wholeNumber('', 255), undefined);
});

test.run();
