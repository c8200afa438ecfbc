// Ends a run of the tests with what was skipped, by name, and one line of counts.
import { relative } from 'node:path';

export default class CountingReporter {
  onRunComplete(_contexts, results) {
    for (const { testFilePath, testResults } of results.testResults) {
      for (const { status, fullName } of testResults) {
        if (['pending', 'todo', 'disabled'].includes(status))
          console.log(`skipped: ${relative(process.cwd(), testFilePath)}: ${fullName}`);
      }
    }
    const { numPassedTests, numFailedTests, numFailedTestSuites, numPendingTests, numTodoTests } = results;
    // A file that cannot even be loaded has no failed test of its own.
    const failed = Math.max(numFailedTests, numFailedTestSuites);
    const counts = `${numPassedTests} passed, ${failed} failed, ${numPendingTests + numTodoTests} skipped`;
    // After what jest itself says, so that it is the last line.
    process.once('exit', () => console.log(counts));
  }
}
