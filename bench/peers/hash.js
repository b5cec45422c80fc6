// node hash.js COST SECONDS: prints how many bcrypt comparisons per second the library does on all CPUs.
import { availableParallelism } from 'node:os';
import bcrypt from 'bcrypt';

const [cost, seconds] = process.argv.slice(2).map(Number);
const hash = await bcrypt.hash('a password', cost);
const begin = performance.now();
const took = () => (performance.now() - begin) / 1000;
let done = 0;

async function compare() {
  while (took() < seconds) {
    await bcrypt.compare('a wrong guess', hash);
    done++;
  }
}

await Promise.all(Array.from({ length: availableParallelism() }, compare));
console.log(done / took());
