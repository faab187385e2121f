// The cases of this suite, one behind the other: `node dashboard.test.mjs [words of a name]`.
// The last line is that of tools/run_tests.py.
const cases = [];

export function test(name, run) {
  cases.push({ name, run });
}

export class Skipped extends Error {}

export async function run_all(around) {
  const wanted = process.argv.slice(2).join(' ');
  const counts = { passed: 0, failed: 0, skipped: 0 };
  for (const { name, run } of cases.filter((one) => one.name.includes(wanted))) {
    const began = Date.now();
    try {
      await around(name, run);
      ++counts.passed;
      console.log(`ok      ${name} (${Date.now() - began} ms)`);
    } catch (error) {
      if (error instanceof Skipped) {
        ++counts.skipped;
        console.log(`skipped ${name}: ${error.message}`);
        continue;
      }
      ++counts.failed;
      console.log(`FAILED  ${name} (${Date.now() - began} ms)\n${error.stack}`);
    }
  }
  console.log(`${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`);
  process.exitCode = counts.failed > 0 || counts.passed === 0 ? 1 : 0;
}
