// Compares the OAuth endpoints of our catalogue with those of `grant` (npm, MIT): a second source. Run by hand:
//
//   npm pack grant && tar xzf grant-*.tgz
//   node docs/dev/compare-endpoints.mjs package/config/oauth.json target/release/tenon
//
// Prints one line for each host and path that differs. What was made of them stands in
// docs/reference/provider-endpoints.md; a line that is not there is new.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

const [file, binary = 'target/release/tenon'] = process.argv.slice(2);
if (!file) throw new Error('usage: node docs/dev/compare-endpoints.mjs <oauth.json of grant> [tenon binary]');

const theirs = JSON.parse(readFileSync(file, 'utf8'));
const ask = (...args) => JSON.parse(execFileSync(binary, ['providers', ...args, '--json'], { maxBuffer: 1 << 26 }));
const ours = new Set(ask('list').map((provider) => provider.name));
const page = readFileSync(new URL('../reference/provider-endpoints.md', import.meta.url), 'utf8');

/** Host and path with `*` for what a connection fills in. */
function place(text) {
    if (typeof text !== 'string') return undefined;
    const [address] = text.split(' || ').slice(-1);
    return address.replaceAll(/\$\{[^}]*\}|\[[^\]]*\]/g, '*').replace(/^https?:\/\//, '').replace(/[?#].*$/, '').replace(/\/$/, '');
}

/** Whether two places mean the same where a connection fills something in. */
function same(one, other) {
    const pattern = (text) => new RegExp(`^${text.replaceAll(/[.+^${}()|[\]\\]/g, '\\$&').replaceAll('*', '.+')}$`);
    return one === other || pattern(one).test(other) || pattern(other).test(one);
}

let compared = 0;
for (const name of Object.keys(theirs).filter((name) => ours.has(name)).sort()) {
    const { entry } = ask('show', name);
    if (!/^OAUTH[12]$/.test(entry.auth_mode)) continue;
    compared += 1;
    for (const [what, mine, other] of [
        ['authorize', place(entry.authorization_url), place(theirs[name].authorize_url)],
        ['token', place(entry.token_url), place(theirs[name].access_url)],
    ]) {
        if (!mine || !other || same(mine, other)) continue;
        const known = page.includes(`\`${mine}\``) && page.includes(`\`${other}\``) ? '' : '  (new)';
        console.log(`${name}  ${what}  ours ${mine}  theirs ${other}${known}`);
    }
}
console.log(`${compared} names in common`);
