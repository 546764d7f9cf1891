// What a release does to the changelog, and what it compares before it begins.
import { cutChangelog, isVersion, plainAddress } from '../../scripts/release.mjs';
import { assert, suite } from '../support/harness.js';

const test = suite('release');
const changelog =
  '# Changelog\n\n## [next] - unreleased\n\n### Added\n\n- A thing\n\n## [1.0.0] - 2026-01-02\n\n- First\n';

test('the heading of what is not released gets the version and the date', () => {
  const cut = cutChangelog(changelog, '1.1.0', '2026-02-03');
  assert.match(cut, /^## \[1\.1\.0\] - 2026-02-03\n\n### Added$/m);
  assert.match(cut, /^## \[1\.0\.0\] - 2026-01-02$/m);
  assert.not.match(cut, /unreleased/);
});

test('a changelog that says nothing, or has the version already, is refused', () => {
  const cut =
    (text: string, version = '1.1.0') =>
    () =>
      cutChangelog(text, version, '2026-02-03');
  assert.throws(cut(changelog.replace('unreleased', '2026-01-03')), /no heading/);
  assert.throws(cut(changelog.replace('### Added\n\n- A thing\n', '')), /says nothing/);
  assert.throws(cut(changelog, '1.0.0'), /already has 1\.0\.0/);
});

test('a version is that of Semantic Versioning', () => {
  for (const good of ['1.2.3', '0.1.0', '1.0.0-rc.1']) assert.ok(isVersion(good), good);
  for (const bad of ['v1.2.3', '1.2', '1.2.3 ', '', 'latest']) assert.not(isVersion(bad), bad);
});

test('a repository is the same by every way to reach it', () => {
  for (const url of [
    'git+https://github.com/owner/name.git',
    'https://user:word@github.com/owner/name',
    'git@github.com:owner/name.git',
    'ssh://git@github.com/owner/name.git',
  ]) {
    assert.is(plainAddress(url), 'github.com/owner/name', url);
  }
});

test.run();
