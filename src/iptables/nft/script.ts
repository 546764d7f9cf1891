// Writes the operations of an edit for native code (native/core/nftables/transaction.h). Writes bytes; decides
// nothing.
import { AF_INET, AF_INET6 } from '../../constants.js';
import {
  scriptHeader,
  scriptMagic,
  scriptStep,
  stepKind,
  stepPlace,
} from '../../native/numbers.js';
import { littleEndian } from '../extensions/stores.js';
import { noCounters } from '../rule/head.js';
import { textToBytes } from '../text/encoding.js';
import type { NftImage } from './image.js';
import type { Operation } from './operations.js';

const policies = { ACCEPT: 1, DROP: 2 };
const kinds = {
  table: stepKind.table,
  base: stepKind.baseChain,
  chain: stepKind.chain,
  rename: stepKind.rename,
  policy: stepKind.policy,
  deleteChain: stepKind.deleteChain,
  flush: stepKind.flush,
  deleteRule: stepKind.deleteRule,
};

/** Bytes behind the steps. Equal texts are there once. */
class Tail {
  readonly #parts: Uint8Array[] = [];
  readonly #texts = new Map<string, number>();
  size = 0;

  add(bytes: Uint8Array): number {
    const at = this.size;
    this.#parts.push(bytes);
    this.size += (bytes.length + 7) & ~7;
    return at;
  }

  text(text: string): { at: number; size: number } {
    const bytes = textToBytes(text);
    let at = this.#texts.get(text);
    if (at === undefined) {
      at = this.add(bytes);
      this.#texts.set(text, at);
    }
    return { at, size: bytes.length };
  }

  copyTo(bytes: Uint8Array, from: number): void {
    let at = from;
    for (const part of this.#parts) {
      bytes.set(part, at);
      at += (part.length + 7) & ~7;
    }
  }
}

/** The script's bytes. Generation 0: any will do. `chains`: the names of all chains, for the rules that lead to them. */
export function writeScript(
  base: Pick<NftImage, 'family' | 'name' | 'generation'>,
  operations: readonly Operation[],
  chains: readonly string[],
): Uint8Array {
  const tail = new Tail();
  const tailAt = scriptHeader.bytes + operations.length * scriptStep.bytes;
  const names = textToBytes(chains.map((name) => `${name}\0`).join(''));
  const namesAt = tail.add(names);
  const steps = new DataView(new ArrayBuffer(tailAt));
  const put = (at: number, value: number) => steps.setUint32(at, value, littleEndian);
  const put64 = (at: number, value: bigint) => steps.setBigUint64(at, value, littleEndian);
  const slice = (at: number, { at: from, size }: { at: number; size: number }) => {
    put(at, tailAt + from);
    put(at + 4, size);
  };
  put(scriptHeader.magic, scriptMagic);
  put(scriptHeader.family, base.family === 'ipv6' ? AF_INET6 : AF_INET);
  put(scriptHeader.generation, base.generation);
  put(scriptHeader.count, operations.length);
  slice(scriptHeader.chains, { at: namesAt, size: names.length });
  operations.forEach((operation, index) => {
    const at = scriptHeader.bytes + index * scriptStep.bytes;
    const name = (field: number, text: string) => slice(at + field, tail.text(text));
    const blob = (field: number, bytes: Uint8Array) =>
      slice(at + field, { at: tail.add(bytes), size: bytes.length });
    const counters = (given: { packets: bigint; bytes: bigint } | undefined) => {
      put(at + scriptStep.hasCounters, given === undefined ? 0 : 1);
      put64(at + scriptStep.packetCount, (given ?? noCounters).packets);
      put64(at + scriptStep.byteCount, (given ?? noCounters).bytes);
    };
    if (operation.do !== 'table') name(scriptStep.chain, operation.chain);
    if ('policy' in operation && operation.policy !== undefined) {
      put(at + scriptStep.policy, policies[operation.policy]);
    }
    if ('counters' in operation) counters(operation.counters);
    if ('handle' in operation) put64(at + scriptStep.handle, operation.handle);
    if (operation.do === 'rename') name(scriptStep.name, operation.to);
    if (operation.do !== 'rule') {
      put(at + scriptStep.kind, kinds[operation.do]);
      return;
    }
    const { place, content } = operation;
    if (place === 'append' || place === 'prepend') put(at + scriptStep.how, stepPlace[place]);
    else if ('before' in place) {
      put(at + scriptStep.how, stepPlace.before);
      put64(at + scriptStep.handle, place.before);
    } else {
      put(at + scriptStep.how, stepPlace.replace);
      put64(at + scriptStep.handle, place.replace);
    }
    if ('entry' in content) {
      put(at + scriptStep.kind, stepKind.entry);
      blob(scriptStep.content, content.entry);
    } else {
      put(at + scriptStep.kind, stepKind.expressions);
      blob(scriptStep.content, content.expressions);
      blob(scriptStep.userData, content.userData);
    }
  });
  const bytes = new Uint8Array(tailAt + tail.size);
  bytes.set(new Uint8Array(steps.buffer));
  bytes.set(textToBytes(base.name), scriptHeader.table);
  tail.copyTo(bytes, tailAt);
  return bytes;
}
