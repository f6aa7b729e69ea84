import { createOnEvent } from 'nango';

export default createOnEvent({
    description: 'Says hello',
    event: 'post-connection-creation',
    async exec(nango) {
        nango.log('hello'); //~ 9 nobody waits for `nango.log(...)`
    }
});
