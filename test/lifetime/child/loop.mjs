// Objects that keep the event loop alive, and objects that do not. This process ends by itself, or says why not.
import { flows, load } from './common.mjs';

const { Conntrack, conntrack } = await load();
const report = (value) => process.stdout.write(`${value}\n`);

const cases = {
  'an open handle': () => {
    Conntrack.open();
  },
  'a handle that was used': async () => {
    const ct = Conntrack.open();
    await ct.getMany(flows(1));
    await conntrack.count();
    ct.getSync(flows(1)[0]);
  },
  'a dump in batches between two of them': async () => {
    const batches = Conntrack.open().dumpBatches({}, { batchSize: 100 });
    report((await batches.next()).value.length);
  },
  'a pending dump': () => {
    Conntrack.open()
      .dump()
      .then((batch) => report(batch.length));
  },
  'a pending batch': () => {
    const batches = Conntrack.open().dumpBatches({ helper: 'nobody' });
    batches.next().then(({ done }) => report(done));
  },
  'a pending lookup, creation and deletion': () => {
    const ct = Conntrack.open();
    ct.createMany(flows(100))
      .then(() => ct.getMany(flows(100)))
      .then((found) => ct.deleteWhere({ src: '11.0.0.0/8' }).then((gone) => [found.length, gone]))
      .then(report);
  },
  'a pending close': async () => {
    const ct = Conntrack.open();
    const batches = ct.dumpBatches({}, { batchSize: 100 });
    await batches.next();
    const closed = ct.close();
    batches.next().catch((error) => closed.then(() => report(error.code)));
  },
  'signals in the middle of everything': async () => {
    let heard = 0;
    process.on('SIGUSR2', () => heard++);
    const ct = Conntrack.open();
    const first = (await ct.dump()).length;
    for (let i = 0; i < 20; i++) {
      const dump = ct.dump();
      for (let k = 0; k < 50; k++) process.kill(process.pid, 'SIGUSR2');
      if ((await dump).length !== first) report('rows are missing');
    }
    report(heard > 0);
    process.removeAllListeners('SIGUSR2');
  },
};

await cases[process.argv[2]]();
