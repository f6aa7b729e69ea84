import { createOnEvent } from 'nango';

const onEvent = createOnEvent({
    description: 'Says hello',
    event: 'pre-connection-deletion',
    exec: sayHello
});

async function sayHello(sdk: any) {
    sdk.post({ endpoint: '/hello' }); //~ 5 nobody waits for `nango.post(...)`
}

export default onEvent;
